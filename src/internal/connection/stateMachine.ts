// The one place where the state of a connection lives, and the only way to change it.
import type * as Exit from "effect/Exit"
import { NotConnected } from "../../ConnectionError.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import type { Listenable } from "../../Listenable.ts"
import * as Broadcast from "../stream/broadcast.ts"

export type State<Tag extends ConnectionState.Tag> = Extract<ConnectionState.ConnectionState, { readonly _tag: Tag }>

type Active = State<"Connecting" | "Connected" | "Reconnecting">

/** Whether something goes on by itself in this state: a dial, an open connection, the wait for a dial. */
export const isActive = (state: ConnectionState.ConnectionState): state is Active =>
  state._tag === "Connecting" || state._tag === "Connected" || state._tag === "Reconnecting"

export const notConnected = (state: ConnectionState.ConnectionState): NotConnected =>
  new NotConnected({ state: state._tag, defect: state._tag === "Disconnected" ? state.defect : undefined })

// A reader of `changes` that lags this far behind skips states; it always sees the latest one.
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

  /** Goes from one state to a next one. The compiler refuses what the table does not allow. */
  go<From extends ConnectionState.ConnectionState, To extends ConnectionState.Next<From["_tag"]>>(from: From, to: To): To {
    // Only a second writer could make this untrue: a defect of ours, better loud than wrong.
    if (from !== this.#state || !ConnectionState.isLegal(from._tag, to._tag)) {
      throw new Error(`Illegal transition from ${this.#state._tag} (seen as ${from._tag}) to ${to._tag}`)
    }
    this.#state = to
    this.#states.unsafeOfferAll([to])
    return to
  }

  end(exit: Exit.Exit<void>): void {
    this.#states.end(exit)
  }
}
