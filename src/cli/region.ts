// The last lines of a terminal, which are drawn over, while all else goes above them.
import { fit, width } from "./width.ts"

export interface Region {
  /** Prints text above the lines. It must end with a line feed. */
  readonly above: (text: string) => void
  /** Draws these lines in the place of those before. */
  readonly draw: (lines: ReadonlyArray<Line>) => void
  /** Removes the lines. */
  readonly clear: () => void
}

/** A line of a region, as parts with a colour each: a code of ECMA-48 "Select Graphic Rendition". */
export type Line = ReadonlyArray<Part>

export interface Part {
  readonly text: string
  readonly colour?: number | undefined
}

/** A line as text, cut to its first columns. */
export const textOf = (line: Line, columns: number, hasColours: boolean): string => {
  let left = columns
  let text = ""
  for (const { colour, text: whole } of line) {
    const shown = fit(whole, left)
    text += colour === undefined || !hasColours || shown === "" ? shown : `\u001b[${colour}m${shown}\u001b[0m`
    left -= width(whole)
    if (left < 0) break
  }
  return text
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** `size` is that of the terminal now. */
export const make = (write: (text: string) => void, size: () => Size, hasColours: boolean): Region => {
  let shown: ReadonlyArray<string> = []
  let wasWide = 0
  // Lines that were drawn on a wider terminal have been broken, and take more rows now.
  const rowsOf = (text: string, columns: number) => Math.max(1, Math.ceil(Math.min(wasWide, text.length) / columns))
  const erase = (): string => {
    if (shown.length === 0) return ""
    const { columns } = size()
    const rows = columns < wasWide ? shown.reduce((all, text) => all + rowsOf(text, columns), 0) : shown.length
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ""}\u001b[J`
  }
  return {
    above: (text) => {
      write(`${erase()}${text}${shown.join("\n")}`)
    },
    draw: (lines) => {
      const before = erase()
      const { columns, rows } = size()
      // A line that fills the last column could be broken.
      shown = lines.slice(0, rows).map((line) => textOf(line, columns - 1, hasColours))
      wasWide = columns
      write(before + shown.join("\n"))
    },
    clear: () => {
      write(erase())
      shown = []
    }
  }
}
