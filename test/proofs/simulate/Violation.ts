/** A broken invariant: which one, when, and what was observed. */
export interface Violation {
  readonly invariant: "truth" | "book" | "states" | "policy" | "limits" | "heals" | "patience" | "memory" | "leaks" | "hangs"
  /** Milliseconds since the run began. */
  readonly at: number
  readonly detail: string
}

export type Report = (violation: Omit<Violation, "at"> & { readonly at?: number }) => void
