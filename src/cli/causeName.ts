// Names the cause of a loss in a word or two, for counting.
import type { AttemptError, ReconnectRequested } from "../ConnectionError.ts"

export const causeName = (cause: AttemptError | ReconnectRequested): string => {
  switch (cause._tag) {
    case "ConnectionClosed":
      return `closed with ${cause.code}${cause.errno === undefined ? "" : ` (${cause.errno})`}`
    case "ConnectionTimeout":
      return `${cause.deadline} timeout`
    case "HandshakeRejected":
      return `refused with ${cause.status}`
    case "DialFailed":
      return cause.code
    case "ReconnectRequested":
      return "reconnect requested"
    case "MessageTooLarge":
      return "message too large"
    case "InboxOverflow":
      return "reader too slow"
    case "OnOpenFailed":
      return "handshake failed"
    case "NotAcknowledged":
      return "not acknowledged"
    case "InvalidUrl":
    case "OptionUnavailable":
      return "no usable URL"
  }
}
