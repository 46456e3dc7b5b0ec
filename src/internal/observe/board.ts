// What is known now, by identity, with the version at which each part last changed. A reader keeps the version up to which it has
// read, so that a slow one costs nothing: it gets the latest state of what changed meanwhile.
import type { Change } from "../../observe/Message.ts"
import type { News } from "../../observe/Observe.ts"

interface Entry {
  readonly version: number
  readonly change: Change
  readonly text: string
}

// The most that is remembered of what is gone. A reader that is further behind begins anew.
const goneAtMost = 1_024

export class Board {
  #version = 0
  // In the order in which they last changed.
  readonly #entries = new Map<string, Entry>()
  // The keys of what is gone, and the version up to which they are known.
  readonly #gone = new Map<string, { readonly version: number; readonly change: Change }>()
  #goneKnownSince = 0

  /** Sets what is known under a key. Does nothing if it is the same as before. */
  set(key: string, change: Change): void {
    const text = JSON.stringify(change)
    if (this.#entries.get(key)?.text === text) return
    this.#gone.delete(key)
    this.#entries.delete(key)
    this.#entries.set(key, { version: ++this.#version, change, text })
  }

  /** Forgets what is known under a key. `change` tells the readers; without one, they need not know. */
  remove(key: string, change?: Change): void {
    if (!this.#entries.delete(key) || change === undefined) return
    this.#gone.set(key, { version: ++this.#version, change })
    const [oldest] = this.#gone
    if (oldest === undefined || this.#gone.size <= goneAtMost) return
    this.#gone.delete(oldest[0])
    this.#goneKnownSince = oldest[1].version
  }

  keys(prefix: string): ReadonlyArray<string> {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix))
  }

  /** The changes since a version; everything if that is undefined, or too long ago. */
  since(version: number | undefined): Omit<News, "at"> {
    if (version === undefined || version < this.#goneKnownSince) {
      return { isWhole: true, version: this.#version, changes: [...this.#entries.values()].map(({ change }) => change) }
    }
    if (version === this.#version) return { isWhole: false, version, changes: [] }
    const changed = [...this.#entries.values(), ...this.#gone.values()].filter((entry) => entry.version > version)
    return {
      isWhole: false,
      version: this.#version,
      changes: changed.sort((a, b) => a.version - b.version).map(({ change }) => change)
    }
  }
}
