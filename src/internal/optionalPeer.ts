// Loads an optional peer dependency: a package that one part of Holdfast needs, and that only its users have to install.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

/** The package that a part of Holdfast needs is not installed. */
export class PeerMissing extends Data.TaggedError("PeerMissing")<{
  readonly part: string
  readonly peer: Peer
}> {
  override get message(): string {
    return `${this.part} needs ${this.peer}, which is not installed. Run: npm install ${this.peer}@${versions[this.peer]}`
  }
}

/** The optional peers with their versions. CI checks that package.json has the same. */
export const versions = {
  "@effect/opentelemetry": "^0.64.0",
  "@effect/platform-node": "^0.108.2",
  "https-proxy-agent": "^7.0.6",
  "socks-proxy-agent": "^8.0.5"
} as const

export type Peer = keyof typeof versions

const isNotFound = (error: unknown, peer: Peer): boolean =>
  error instanceof Error && Predicate.hasProperty(error, "code") && error.code === "ERR_MODULE_NOT_FOUND" &&
  error.message.includes(peer)

/**
 * Imports a module of an optional peer. Fails with `PeerMissing` when the peer is not installed. Any other failure to
 * import it is a defect.
 */
export const load = <A>(part: string, peer: Peer, module: () => Promise<A>): Effect.Effect<A, PeerMissing> =>
  Effect.catchAll(
    Effect.tryPromise({ try: module, catch: (error) => error }),
    (error) => isNotFound(error, peer) ? new PeerMissing({ part, peer }) : Effect.die(error)
  )
