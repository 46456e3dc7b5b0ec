// The stream of a topic: a listener with a buffer for a slow reader.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { InboxOverflow } from "../../ConnectionError.ts"
import * as Item from "../../Item.ts"
import type { Session } from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"
import * as Broadcast from "../stream/broadcast.ts"
import { merge } from "../stream/cursors.ts"
import { sizeOf } from "../connection/messageSize.ts"
import { defaultMaxBytes } from "../connection/settings.ts"

export const make = <A>(listen: Session<A>["listen"], epoch: () => number): Session<A>["stream"] =>
(topic, { capacity = 4_096, maxBytes = defaultMaxBytes } = {}) =>
  merge(Effect.gen(function*() {
    const causes = {
      capacity: new InboxOverflow({ capacity, maxBytes, bound: "capacity" }),
      maxBytes: new InboxOverflow({ capacity, maxBytes, bound: "maxBytes" })
    }
    const asGap = (bound: Broadcast.Bound) => (item: Item.Item<A>): Item.Gap =>
      item._tag === "Gap" ? item : Item.Gap({ epoch: epoch(), cause: causes[bound], downtime: Duration.zero, dropped: 1 })
    const buffer = Broadcast.make<Item.Item<A>, SessionError>({
      capacity,
      bytes: { max: maxBytes, of: (item) => item._tag === "Gap" ? 0 : sizeOf(item.data) },
      overflow: "sliding",
      fold: (marker, lost, bound) =>
        (marker === undefined ? lost : [marker, ...lost]).map(asGap(bound)).reduce(Item.mergeGaps)
    })
    yield* listen(topic, {
      data: (batch) => {
        buffer.unsafeOfferAll(batch.map((data) => ({ _tag: "Data", data })))
      },
      gap: (gap) => {
        buffer.unsafeOfferAll([gap])
      },
      end: (exit) => {
        buffer.end(exit)
      }
    })
    return [buffer]
  }), identity)
