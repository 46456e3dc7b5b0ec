// The bounded buffer between the socket and the consumers: messages, with a gap where some are missing.
import type { ConnectionError } from "../../ConnectionError.ts"
import { InboxOverflow } from "../../ConnectionError.ts"
import * as Duration from "effect/Duration"
import * as Frame from "../../Frame.ts"
import type { Message } from "../../Transport.ts"
import * as Broadcast from "../stream/broadcast.ts"

// Messages are kept bare: most consumers never ask for the frame around them.
export type Entry = Message | Frame.Gap

export type Inbox = Broadcast.Broadcast<Entry, ConnectionError>

export const isMessage = (entry: Entry): entry is Message => typeof entry === "string" || entry instanceof Uint8Array

export const toFrame = (entry: Entry): Frame.Frame => isMessage(entry) ? Frame.Data({ data: entry }) : entry

export const make = (options: {
  readonly capacity: number
  readonly overflow: Broadcast.Overflow
  readonly epoch: () => number
  readonly onGap: (gap: Frame.Gap) => void
  readonly onDropped: (count: number) => void
}): Inbox => {
  // Not made before it is needed: the stack of an error keeps what made it in memory.
  let overflow: InboxOverflow | undefined
  const dropped = (count: number): Frame.Gap =>
    {
    overflow ??= new InboxOverflow({ capacity: options.capacity })
    return Frame.Gap({ epoch: options.epoch(), cause: overflow, downtime: Duration.zero, dropped: count })
  }

  const asGap = (entries: ReadonlyArray<Entry>): Frame.Gap => {
    const gaps: Array<Frame.Gap> = []
    for (const entry of entries) {
      if (!isMessage(entry)) gaps.push(entry)
    }
    return gaps.reduce(Frame.mergeGaps, dropped(entries.length - gaps.length))
  }

  return Broadcast.make<Entry, ConnectionError>({
    capacity: options.capacity,
    overflow: options.overflow,
    fold: (marker, lost) => asGap(marker === undefined ? lost : [marker, ...lost]),
    onMarker: (marker) => {
      if (!isMessage(marker)) options.onGap(marker)
    },
    onLost: options.onDropped
  })
}
