// Ids only grow, until a venue begins them anew, as test networks do when they are emptied. What is older by its id may
// have come before over another connection; what is much newer by its time has not.
import { NotRepairable } from "../../market/MarketEvent.ts"

// Longer than connections lag behind each other, and a clock behind another.
const newerBy = 60_000
// From here on, moments are in microseconds: in milliseconds this is the year 5138.
const micros = 1e14

/** Whether what has an older id than the latest, and these times, has a new numbering. */
export const isIdReset = (at: number, latest: number): boolean => at - latest > (at < micros ? newerBy : newerBy * 1_000)

export const cause = (): NotRepairable => new NotRepairable({ reason: "The venue's ids begin anew." })
