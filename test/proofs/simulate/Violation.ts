/** What a run was found to break: the number of the invariant, when, and what was seen. */
export interface Violation {
  readonly invariant: "truth" | "book" | "states" | "policy" | "limits" | "heals" | "memory" | "leaks" | "hangs"
  /** Milliseconds since the run began. */
  readonly at: number
  readonly detail: string
}

export type Report = (violation: Omit<Violation, "at"> & { readonly at?: number }) => void
