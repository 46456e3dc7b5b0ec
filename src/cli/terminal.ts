// The capabilities of standard output.

export interface Look {
  readonly hasColours: boolean
  /** Whether the last line can be written over. */
  readonly canRedraw: boolean
}

/**
 * Finds the capabilities of standard output. A pipe has neither. `NO_COLOR` (no-color.org) takes both away; `FORCE_COLOR`
 * gives colours, as in Node.js.
 */
export const lookOf = (env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): Look => {
  const { FORCE_COLOR: forced, NO_COLOR: no = "", TERM: term } = env
  const canRedraw = isTerminal && no === "" && term !== "dumb"
  return { canRedraw, hasColours: forced === undefined ? canRedraw : !["0", "false"].includes(forced) }
}
