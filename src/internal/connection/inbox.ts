// The bounded buffer between the socket and the consumers: messages, with a gap where some are missing.
import type * as Clock from "effect/Clock"
import type { ConnectionError } from "../../ConnectionError.ts"
import { InboxOverflow } from "../../ConnectionError.ts"
import * as Duration from "effect/Duration"
import * as ConnectionEvent from "../../ConnectionEvent.ts"
import * as Item from "../../Item.ts"
import type { Message } from "../../Transport.ts"
import * as Broadcast from "../stream/broadcast.ts"
import type { EventLog } from "./eventLog.ts"

// Messages are kept bare: most consumers never ask for the frame around them.
export type BareItem = Message | Item.Gap

export type Inbox = Broadcast.Broadcast<BareItem, ConnectionError>

export const isMessage = (entry: BareItem): entry is Message => typeof entry === "string" || entry instanceof Uint8Array

export const toItem = (entry: BareItem): Item.Item => isMessage(entry) ? Item.Data({ data: entry }) : entry

interface Options {
  readonly capacity: number
  readonly overflow: Broadcast.Overflow
  /** The number of the connection that is open. */
  readonly epoch: () => number
  readonly clock: Clock.Clock
  readonly log: EventLog
}

// What is done about what finds no room. A class, as all that each connection has one of.
class Overflowing implements Broadcast.Options<BareItem> {
  readonly #options: Options
  // Not made before it is needed: the stack of an error keeps what made it in memory.
  #overflow: InboxOverflow | undefined = undefined

  constructor(options: Options) {
    this.#options = options
  }

  get capacity(): number {
    return this.#options.capacity
  }

  get overflow(): Broadcast.Overflow {
    return this.#options.overflow
  }

  fold(marker: BareItem | undefined, lost: ReadonlyArray<BareItem>): BareItem {
    const entries = marker === undefined ? lost : [marker, ...lost]
    const gaps: Array<Item.Gap> = []
    for (const entry of entries) {
      if (!isMessage(entry)) gaps.push(entry)
    }
    return gaps.reduce(Item.mergeGaps, this.#dropped(entries.length - gaps.length))
  }

  onMarker(marker: BareItem): void {
    if (isMessage(marker)) return
    const { clock, log } = this.#options
    log.publish(ConnectionEvent.Gap({ at: clock.unsafeCurrentTimeMillis(), gap: marker }))
  }

  onLost(count: number): void {
    this.#options.log.counters().dropped(count)
  }

  #dropped(count: number): Item.Gap {
    const { capacity, epoch } = this.#options
    this.#overflow ??= new InboxOverflow({ capacity })
    return Item.Gap({ epoch: epoch(), cause: this.#overflow, downtime: Duration.zero, dropped: count })
  }
}

export const make = (options: Options): Inbox => Broadcast.make<BareItem, ConnectionError>(new Overflowing(options))
