// Holds the state of a connection. `go` is the only way to change it.
import type * as Exit from "effect/Exit"
import * as ConnectionState from "../../ConnectionState.ts"
import type { Listenable } from "../../Listenable.ts"
import * as Broadcast from "../stream/broadcast.ts"

export type State<Tag extends ConnectionState.Tag> = Extract<ConnectionState.ConnectionState, { readonly _tag: Tag }>

type Active = State<"Connecting" | "Connected" | "Reconnecting">

/** Tells whether the loop runs in this state: it dials, reads, or waits for the next dial. */
export const isActive = (state: ConnectionState.ConnectionState): state is Active =>
  state._tag === "Connecting" || state._tag === "Connected" || state._tag === "Reconnecting"

// States held for a slow reader of `changes`. One that lags further behind skips the oldest.
const capacity = 256

export class Machine {
  readonly changes: Listenable<ConnectionState.ConnectionState>
  readonly #states: Broadcast.Broadcast<ConnectionState.ConnectionState>
  #state: ConnectionState.ConnectionState

  constructor(initial: ConnectionState.ConnectionState) {
    this.#state = initial
    this.#states = Broadcast.make<ConnectionState.ConnectionState>({
      capacity,
      overflow: "sliding",
      fold: (_, lost) => lost[lost.length - 1] ?? this.#state
    })
    this.changes = this.#states.streamFrom(() => this.#state)
  }

  current(): ConnectionState.ConnectionState {
    return this.#state
  }

  /** Goes from the current state to the next. Transitions that the table does not allow do not compile. */
  go<From extends ConnectionState.ConnectionState, To extends ConnectionState.Next<From["_tag"]>>(from: From, to: To): To {
    // Only a second writer could make this fail: a bug here, which must not go unnoticed.
    if (from !== this.#state || !ConnectionState.isLegal(from._tag, to._tag)) {
      throw new Error(`Illegal transition to ${to._tag} from ${from._tag}; the state is ${this.#state._tag}`)
    }
    this.#state = to
    this.#states.unsafeOfferAll([to])
    return to
  }

  end(exit: Exit.Exit<void>): void {
    this.#states.end(exit)
  }
}
