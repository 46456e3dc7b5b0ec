// The beginning of a text, safe to print: control characters are replaced. It is copied, because a slice of a long text
// keeps the whole text in memory.
export const excerpt = (text: string, length = 120): string =>
  Array.from(text.slice(0, length)).join("").replace(/\p{C}/gu, "\ufffd")
