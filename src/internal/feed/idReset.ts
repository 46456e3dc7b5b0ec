// Ids only grow, until a venue resets them, as test networks do when they are emptied. An event with an old id is usually a late
// copy from another connection. If its time is much newer, the venue has reset its ids.
import { NotRepairable } from "../../market/MarketEvent.ts"

// In milliseconds: longer than connections lag behind each other, and than clocks differ.
const newerBy = 60_000
// Times from here on are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

/** Whether an event with an old id shows an id reset: `at` is its time, and `latest` the time of the latest event. */
export const isIdReset = (at: number, latest: number): boolean => at - latest > (at < micros ? newerBy : newerBy * 1_000)

export const cause = (): NotRepairable => new NotRepairable({ reason: "The venue has reset its ids." })
