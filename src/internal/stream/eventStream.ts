// What happens, told to whoever reads it: the oldest events slide out, and a reader that fell behind is told how many.
import * as Data from "effect/Data"
import * as Broadcast from "./broadcast.ts"

/** This many events before the next one are missing. `at` is in milliseconds since the epoch. */
export interface EventsDropped {
  readonly _tag: "EventsDropped"
  readonly at: number
  readonly count: number
}

const EventsDropped = Data.tagged<EventsDropped>("EventsDropped")

const isMarker = (event: { readonly _tag: string }): event is EventsDropped => event._tag === "EventsDropped"

export const make = <A extends { readonly _tag: string }>(options: {
  /** Events held at most. */
  readonly capacity: number
  /** The `at` of the marker, by the last event that it stands for. */
  readonly at: (last: A | EventsDropped) => number
}): Broadcast.Broadcast<A | EventsDropped> =>
  Broadcast.make<A | EventsDropped>({
    capacity: options.capacity,
    overflow: "sliding",
    fold: (marker, lost) => {
      const last = lost[lost.length - 1]
      return EventsDropped({
        at: last === undefined ? 0 : options.at(last),
        count: lost.length + (marker !== undefined && isMarker(marker) ? marker.count : 0)
      })
    }
  })
