// Prints the lines of the program: on standard output, or on standard error when the output is the recording itself.
import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"

/** One of the process's streams. */
export interface Output {
  /** Prints text. The caller awaits `drained` before it prints much more. */
  readonly write: (text: string) => void
  /** Prints text unless its reader is far behind, and then says how many texts it has left out. */
  readonly offer: (text: string) => void
  /** Whether more text would wait in the process. */
  readonly isFull: () => boolean
  /** Completes when more text may be written. */
  readonly drained: Effect.Effect<void>
  /** Completes when all text has left the process, or when the reader has taken none of it for 5 seconds. */
  readonly flushed: Effect.Effect<void>
}

// In bytes. A reader that is further behind does not get the whole status.
const most = 1024 * 1024

let goesOn = false

/** From now on, the program does not end when the reader of its standard output does. */
export const goOnWithoutReader = (): void => {
  goesOn = true
}

/** Handles the errors of both streams for as long as the program runs. */
export const handleErrors = (): void => {
  // A reader that stops, as `head` does, ends the program without an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (goesOn) return
    if (error.code === "EPIPE") process.exit(0)
    process.stderr.write(`Standard output cannot be written: ${error.message}.\n`)
    process.exit(1)
  })
  // The program goes on when standard error is closed.
  process.stderr.on("error", () => undefined)
}

const drainedOf = (stream: Writable) =>
  Effect.async<void>((resume) => {
    const done = () => {
      stream.off("drain", done)
      stream.off("error", done)
      resume(Effect.void)
    }
    stream.on("drain", done)
    stream.on("error", done)
    return Effect.sync(() => {
      stream.off("drain", done)
      stream.off("error", done)
    })
  })

const longestFlush = "5 seconds"

/** `leftOut` says that so many texts are missing. */
export const make = (stream: Writable, leftOut: (count: number) => string): Output => {
  let missing = 0
  let isClosed = false
  stream.on("error", () => {
    isClosed = true
  })
  const write = (text: string) => {
    if (!isClosed) stream.write(text)
  }
  const isFull = () => !isClosed && stream.writableNeedDrain
  return {
    write,
    offer: (text) => {
      if (stream.writableLength > most || (missing > 0 && isFull())) {
        missing++
        return
      }
      if (missing > 0) write(leftOut(missing))
      missing = 0
      write(text)
    },
    isFull,
    flushed: Effect.async<void>((resume) => {
      if (isClosed) resume(Effect.void)
      else {
        stream.write("", () => {
          resume(Effect.void)
        })
      }
    }).pipe(Effect.interruptible, Effect.timeoutOption(longestFlush)),
    drained: Effect.suspend(() => isFull() ? drainedOf(stream) : Effect.void)
  }
}
