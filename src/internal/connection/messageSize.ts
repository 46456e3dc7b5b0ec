// The size of a message while it waits, in bytes.

/**
 * The bytes of a binary message, and the characters of a text. V8 keeps a text whose characters are all in Latin-1 in one
 * byte for each, and any other text in two. The length is known at once; which of the two it is, is not.
 */
export const sizeOf = (message: unknown): number =>
  typeof message === "string" ? message.length : message instanceof Uint8Array ? message.byteLength : 0
