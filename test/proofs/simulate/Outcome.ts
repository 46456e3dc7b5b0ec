/** What a run found. */
import type { Violation } from "./Violation.ts"

export interface Outcome {
  readonly violations: ReadonlyArray<Violation>
  /** How long it lasted, in virtual time. */
  readonly virtualMillis: number
  readonly dials: number
  readonly frames: number
  readonly read: number
  readonly gaps: number
}
