// Chooses which URL of a list to dial next: the one that works stays, the next one follows a failure.
import * as Option from "effect/Option"
import type { AttemptError, ReconnectRequested } from "../../ConnectionError.ts"
import { isLocal } from "../../FailureClass.ts"

export interface Choice {
  /** The position of the URL to dial. */
  readonly index: number
  /** The failure that made this dial necessary. */
  readonly last: Option.Option<AttemptError>
  /** The number of URLs in a row that have failed. */
  readonly failed: number
  /** True if `last` is a failure of another URL, and this one has not failed since: it may do better. */
  readonly untried: boolean
}

/** How a connection ended. */
export interface Ending {
  readonly proven: boolean
  readonly cause: AttemptError | ReconnectRequested
}

export const first: Choice = { index: 0, last: Option.none(), failed: 0, untried: false }

/** The choice once the chosen URL has opened. Forgets the failure: the stack trace of an error keeps its attempt in memory. */
export const opened = (choice: Choice): Choice => Option.isNone(choice.last) ? choice : { ...choice, last: Option.none() }

/** The choice after the chosen one of `count` URLs was dialled and has ended. */
export const after = ({ failed, index }: Choice, count: number, { cause, proven }: Ending): Choice => {
  if (cause._tag === "ReconnectRequested") return { ...first, index }
  const last = Option.some(cause)
  if (proven) return { index, last, failed: 0, untried: false }
  // A local failure would meet every URL.
  if (isLocal(cause)) return { index, last, failed, untried: false }
  return { index: (index + 1) % count, last, failed: failed + 1, untried: failed + 1 < count }
}
