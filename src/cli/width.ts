// The width of text on a terminal, in columns.

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

// East Asian characters that take two columns (Unicode Standard Annex #11, classes W and F), and pictures.
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u
// Marks that stand over the character before them, and what has no picture of its own.
const narrow = /^[\p{Mark}\p{Cf}\p{Cc}]/u

const widthOf = (grapheme: string): number => wide.test(grapheme) ? 2 : narrow.test(grapheme) ? 0 : 1

const isPlain = (text: string) => /^[\x20-\x7e]*$/.test(text)

/** The columns that a text takes. It must have no escape sequences. */
export const width = (text: string): number => {
  if (isPlain(text)) return text.length
  let columns = 0
  for (const { segment } of graphemes.segment(text)) columns += widthOf(segment)
  return columns
}

const ellipsis = "…"

/** Cuts a text to this many columns. A text that was cut ends with an ellipsis. */
export const fit = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  let kept = ""
  let left = columns - 1
  for (const { segment } of graphemes.segment(text)) {
    left -= widthOf(segment)
    if (left < 0) break
    kept += segment
  }
  return columns < 1 ? "" : `${kept}${ellipsis}`
}

/** Fills a text with spaces on its right. */
export const padEnd = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)))

/** Fills a text with spaces on its left. */
export const padStart = (text: string, columns: number): string => " ".repeat(Math.max(0, columns - width(text))) + text

/** Breaks a text between its words, so that no line is wider than this many columns. A word that is wider stands alone. */
export const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`
    if (line !== "" && width(longer) > columns) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}

// Room for less is none: broken text would be harder to read than what the terminal breaks.
const least = 20

/** Breaks a text between its words for so many columns, and indents all lines but the first. */
export const hang = (text: string, indent: number, columns: number): string =>
  columns - indent < least || width(text) <= columns
    ? text
    : wrap(text, columns - indent).map((line, i) => i === 0 ? line : " ".repeat(indent) + line).join("\n")
