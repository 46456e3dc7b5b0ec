// Finds symbols by a pattern, and puts them into columns.
import { padEnd, width } from "./width.ts"

/** Whether a symbol matches a pattern, in which `*` stands for any text and `?` for one character. Without them, it contains it. */
export const matches = (pattern: string): (symbol: string) => boolean => {
  const upper = pattern.toUpperCase()
  if (!/[*?]/.test(upper)) return (symbol) => symbol.includes(upper)
  // A pattern has letters, digits and underscores beside these two.
  const regex = new RegExp(`^${upper.replaceAll("*", ".*").replaceAll("?", ".")}$`, "u")
  return (symbol) => regex.test(symbol)
}

/** Lines of as many columns as have room, read from top to bottom. */
export const columnsOf = (names: ReadonlyArray<string>, room: number): ReadonlyArray<string> => {
  const column = Math.max(0, ...names.map(width)) + 2
  const count = Math.max(1, Math.floor((room + 1) / column))
  const rows = Math.ceil(names.length / count)
  return Array.from({ length: rows }, (_, row) =>
    names.filter((_, i) => i % rows === row).map((name) => padEnd(name, column)).join("").trimEnd())
}
