// The beginning of something, for people to read: nothing in it moves the cursor. It is a text of its own, since a slice
// of a long one keeps all of it in memory for as long as itself.
export const excerpt = (text: string, length = 120): string =>
  Array.from(text.slice(0, length)).join("").replace(/\p{C}/gu, "\ufffd")
