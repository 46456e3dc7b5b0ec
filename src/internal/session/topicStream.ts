// The stream of a topic: a listener with a buffer for a slow reader.
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import { InboxOverflow } from "../../ConnectionError.ts"
import * as Item from "../../Item.ts"
import type { Listenable } from "../../Listenable.ts"
import type { Session } from "../../Session.ts"
import type { SessionError } from "../../SessionError.ts"
import * as Broadcast from "../stream/broadcast.ts"
import { merge } from "../stream/cursors.ts"
import { sizeOf } from "../connection/messageSize.ts"
import type { StreamSettings } from "./settings.ts"
import { resolveStream } from "./settings.ts"

type Options = Parameters<typeof resolveStream>[0]

export const make = <A>(listen: Session<A>["listen"], epoch: () => number): Session<A>["stream"] => {
  function stream(topic: string): Listenable<Item.Item<A>, SessionError>
  function stream(topic: string, options: Options | undefined): Listenable<Item.Item<A>, SessionError | ConfigError>
  function stream(topic: string, options: Options = {}): Listenable<Item.Item<A>, SessionError | ConfigError> {
    const settings = resolveStream(options)
    return Either.isRight(settings) ? of(listen, epoch, topic, settings.right) : failed(settings.left)
  }
  return stream
}

// Nothing is subscribed for a stream whose options are not allowed.
const failed = (error: ConfigError) =>
  merge(Effect.sync(() => {
    const ended = Broadcast.make<Item.Gap, ConfigError>({ capacity: 2, overflow: "sliding", fold: (_, lost) => lost.reduce(Item.mergeGaps) })
    ended.end(Exit.fail(error))
    return [ended]
  }), identity)

const of = <A>(listen: Session<A>["listen"], epoch: () => number, topic: string, { capacity, maxBytes }: StreamSettings) =>
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
