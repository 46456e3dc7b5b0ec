// What a socket has received and nobody has pulled yet: the reading half of every transport.
import type { NonEmptyReadonlyArray } from "effect/Array"
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import type { Message, SocketError } from "../Transport.ts"

// Past either of these, reading stops until somebody pulls: enough to keep a fast consumer busy for a turn of the
// event loop, and little beside what the operating system buffers itself.
const highWaterMessages = 1024
const highWaterBytes = 1024 * 1024

export interface Incoming {
  readonly unsafeOffer: (message: Message, bytes: number) => void
  /** The first end counts. What was received before it is pulled before it. */
  readonly unsafeEnd: (error: SocketError) => void
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Message>, SocketError>
  /** Completes with the end, whether or not everything before it was pulled. */
  readonly ended: Effect.Effect<never, SocketError>
  readonly isEnded: () => boolean
}

export const make = (flow: { readonly pause: () => void; readonly resume: () => void }) =>
  Effect.map(Mailbox.make<Message, SocketError>(), (mailbox) => {
    const waiting = new Set<(exit: Exit.Exit<never, SocketError>) => void>()
    let end: Exit.Exit<never, SocketError> | undefined
    let messages = 0
    let bytes = 0
    let paused = false

    const pull: Incoming["pull"] = Effect.flatMap(mailbox.takeAll, ([chunk]) => {
      messages = 0
      bytes = 0
      if (paused) {
        paused = false
        flow.resume()
      }
      const batch = Chunk.toReadonlyArray(chunk)
      return isNonEmptyReadonlyArray(batch) ? Effect.succeed(batch) : pull
    })

    const incoming: Incoming = {
      unsafeOffer: (message, size) => {
        mailbox.unsafeOffer(message)
        messages++
        bytes += size
        if (!paused && (messages >= highWaterMessages || bytes >= highWaterBytes)) {
          paused = true
          flow.pause()
        }
      },
      unsafeEnd: (error) => {
        if (end !== undefined) return
        end = Exit.fail(error)
        mailbox.unsafeDone(end)
        for (const resume of waiting) resume(end)
        waiting.clear()
      },
      pull,
      ended: Effect.async((resume) => {
        if (end !== undefined) {
          resume(end)
          return
        }
        waiting.add(resume)
        return Effect.sync(() => {
          waiting.delete(resume)
        })
      }),
      isEnded: () => end !== undefined
    }
    return incoming
  })
