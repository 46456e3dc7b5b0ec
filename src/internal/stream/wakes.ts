// Delays the wake-ups of readers until a change is complete.
//
// A change of a connection shows in several streams: its state, its events, its inbox. A scheduler may run a woken fibre at
// once, and a reader of the first of them would see half of the change.

export interface Sleeper {
  /** Resumes the fibre of a reader, if it waits. */
  readonly resume: () => void
}

let depth = 0
let sleepers: Array<Sleeper> = []

/** Wakes a reader: now, or when the change under way is complete. */
export const wake = (sleeper: Sleeper): void => {
  if (depth === 0) sleeper.resume()
  else sleepers.push(sleeper)
}

/** Makes a change as a whole: the readers that it wakes run after it. Listeners are called meanwhile, as ever. */
export const holdWakes = <A>(change: () => A): A => {
  depth++
  try {
    return change()
  } finally {
    depth--
    if (depth === 0 && sleepers.length > 0) {
      const woken = sleepers
      sleepers = []
      for (const sleeper of woken) sleeper.resume()
    }
  }
}
