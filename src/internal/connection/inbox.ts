// The bounded buffer between the socket and the readers. It holds messages, and gaps where messages may be missing.
import type * as Clock from "effect/Clock"
import type { ConnectionError } from "../../ConnectionError.ts"
import { InboxOverflow } from "../../ConnectionError.ts"
import * as Duration from "effect/Duration"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as Item from "../../Item.ts"
import type { Message } from "../../Transport.ts"
import * as Broadcast from "../stream/broadcast.ts"
import type { EventLog } from "./eventLog.ts"
import { sizeOf } from "./messageSize.ts"

// An item whose message is not wrapped, to save an object per message: most readers read `messages`, not `items`.
export type BareItem = Message | Item.Gap

export type Inbox = Broadcast.Broadcast<BareItem, ConnectionError>

export const isMessage = (item: BareItem): item is Message => typeof item === "string" || item instanceof Uint8Array

export const toItem = (item: BareItem): Item.Item => isMessage(item) ? Item.Data({ data: item }) : item

interface Options {
  readonly capacity: number
  readonly maxBytes: number
  readonly overflow: Broadcast.Overflow
  /** The epoch of the open connection. */
  readonly epoch: () => number
  readonly clock: Clock.Clock
  readonly log: EventLog
}

// Folds dropped messages into gaps, publishes the gaps as events, and counts the drops. A class, because each connection
// has one, and methods take no memory per instance as closures do.
class InboxOptions implements Broadcast.Options<BareItem> {
  readonly bytes: Broadcast.Bytes<BareItem>
  readonly #options: Options
  // Made on first use: the stack trace of an error keeps its origin in memory.
  #overflow: InboxOverflow | undefined = undefined

  constructor(options: Options) {
    this.bytes = { max: options.maxBytes, of: sizeOf }
    this.#options = options
  }

  get capacity(): number {
    return this.#options.capacity
  }

  get overflow(): Broadcast.Overflow {
    return this.#options.overflow
  }

  fold(marker: BareItem | undefined, lost: ReadonlyArray<BareItem>, bound: Broadcast.Bound): BareItem {
    const items = marker === undefined ? lost : [marker, ...lost]
    const gaps: Array<Item.Gap> = []
    for (const item of items) {
      if (!isMessage(item)) gaps.push(item)
    }
    return gaps.reduce(Item.mergeGaps, this.#dropped(items.length - gaps.length, bound))
  }

  onMarker(marker: BareItem): void {
    if (isMessage(marker)) return
    const { clock, log } = this.#options
    log.publish(ConnectionEvent.Gap({ at: clock.unsafeCurrentTimeMillis(), gap: marker }))
  }

  onLost(count: number): void {
    this.#options.log.counters().dropped(count)
  }

  #dropped(count: number, bound: Broadcast.Bound): Item.Gap {
    const { capacity, epoch, maxBytes } = this.#options
    if (this.#overflow?.bound !== bound) this.#overflow = new InboxOverflow({ capacity, maxBytes, bound })
    return Item.Gap({ epoch: epoch(), cause: this.#overflow, downtime: Duration.zero, dropped: count })
  }
}

export const make = (options: Options): Inbox => Broadcast.make<BareItem, ConnectionError>(new InboxOptions(options))
