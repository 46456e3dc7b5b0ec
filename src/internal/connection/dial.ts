// One dial: the URL, the turn at the gate, and the socket in its scope.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { ConnectionTimeout, UrlUnavailable } from "../../ConnectionError.ts"
import type { DialGate } from "../../DialGate.ts"
import type { Socket, Transport } from "../../Transport.ts"
import { within } from "../time/timeout.ts"
import * as Endpoint from "../transport/endpoint.ts"
import type { EventLog } from "./eventLog.ts"
import type { Settings } from "./settings.ts"

export interface Options {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly log: EventLog
  /** Closes the socket. */
  readonly scope: Scope.Scope
  /** Which retry of the outage it is, from 0. */
  readonly attempt: number
}

export const withinOpenTimeout = ({ openTimeout }: Pick<Settings, "openTimeout">) =>
  within(openTimeout, () => new ConnectionTimeout({ phase: "open", after: openTimeout }))

const urlOf = ({ openTimeout, url }: Settings) =>
  Effect.isEffect(url)
    ? url.pipe(
      Effect.catchAllCause((cause) => Effect.fail(new UrlUnavailable({ cause: Cause.squash(cause) }))),
      withinOpenTimeout({ openTimeout })
    )
    : Effect.succeed(url)

// Whatever the transport does as it closes, the connection goes on.
export const logDefects = (closing: Effect.Effect<void>) =>
  Effect.catchAllCause(closing, (cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("The transport failed to close its socket.", cause))

const isGone = (error: unknown) => error instanceof ConnectionTimeout && error.phase !== "open"

// A peer that is gone cannot answer a close frame: its socket is dropped before its scope would close it politely.
const dropIfGone = ({ terminate }: Socket, { dial }: Settings) => (exit: Exit.Exit<unknown, unknown>) => {
  const mustDrop = Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), isGone)
  return mustDrop
    ? Effect.disconnect(terminate).pipe(within(dial.closeTimeout, () => undefined), Effect.ignore, Effect.interruptible, logDefects)
    : Effect.void
}

/** Dials. The scope closes the socket. */
export const dial = ({ attempt, gate, log, scope, settings, transport }: Options) =>
  Effect.flatMap(urlOf(settings), (given) => {
    const url = Redacted.isRedacted(given) ? given : Redacted.make(given)
    const server = Endpoint.fromUrl(url)
    log.dials(server)
    return transport.dial({ url, ...settings.dial }).pipe(
      withinOpenTimeout(settings),
      gate.through(Endpoint.show(server)),
      Effect.withSpan("websocket.connect", {
        kind: "client",
        // It would show this line, and costs more than all the rest of the span.
        captureStackTrace: false,
        attributes: {
          "websocket.attempt": attempt,
          ...(Endpoint.isKnown(server) ? { "server.address": server.address, "server.port": server.port } : {})
        }
      }),
      // Straight to the scope: `Effect.addFinalizer` would keep the fibre references of the dial for as long as the connection.
      Effect.tap((socket) => Scope.addFinalizerExit(scope, dropIfGone(socket, settings))),
      Scope.extend(scope)
    )
  })
