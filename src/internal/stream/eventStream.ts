// A stream of events. A slow reader loses the oldest events, and gets a marker with their number in their place.
import * as Data from "effect/Data"
import * as Broadcast from "./broadcast.ts"

/** `count` events are missing before the next one. `at` is Unix time in milliseconds. */
export interface EventsDropped {
  readonly _tag: "EventsDropped"
  readonly at: number
  readonly count: number
}

const EventsDropped = Data.tagged<EventsDropped>("EventsDropped")

const isMarker = (event: { readonly _tag: string }): event is EventsDropped => event._tag === "EventsDropped"

export const make = <A extends { readonly _tag: string }>(options: {
  /** The most events that it holds. */
  readonly capacity: number
  /** The `at` of the marker, given the last event that it stands for. */
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
