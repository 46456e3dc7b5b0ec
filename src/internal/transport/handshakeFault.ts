// Recognises faults of an upgrade that come back with every dial: the server speaks WebSocket, but not as the options ask.

// The texts of `ws` for the checks of RFC 6455 §4.1, items 5 and 6 of the server's response. It gives them no code.
const faults: ReadonlyArray<readonly [text: RegExp, code: string]> = [
  [/^Server sent (no|an invalid|a) subprotocol/, "ERR_SUBPROTOCOL"],
  [/Sec-WebSocket-Extensions header|an extension that was not requested/, "ERR_EXTENSION"]
]

/** The error code of such a fault, from the text of its error. */
export const handshakeFault = (text: string): string | undefined => faults.find(([fault]) => fault.test(text))?.[1]
