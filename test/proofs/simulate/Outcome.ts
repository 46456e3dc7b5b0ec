/** The outcome of a run. */
import type { Violation } from "./Violation.ts"

export interface Outcome {
  readonly violations: ReadonlyArray<Violation>
  /** The length of the run in virtual time, in milliseconds. */
  readonly virtualMillis: number
  readonly dials: number
  /** Messages that were read from sockets. */
  readonly messages: number
  /** Events or items that readers got, gaps included. */
  readonly read: number
  readonly gaps: number
  /** What the run has exercised, of the plans that have to be known to be live. */
  readonly exercised: ReadonlyArray<string>
}
