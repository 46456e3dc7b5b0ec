// Copies the beginning of a text, and replaces control characters so that it is safe to print. A slice, unlike a copy, would
// keep the whole text in memory.
export const excerpt = (text: string, length = 120): string =>
  Array.from(text.slice(0, length)).join("").replace(/\p{C}/gu, "\ufffd")
