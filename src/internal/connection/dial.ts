// One dial: gets the URL, waits at the gate, and opens the socket in a scope.
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
import type { Redactor } from "../transport/redactor.ts"
import type { EventLog } from "./eventLog.ts"
import type { Settings } from "./settings.ts"

export interface Options {
  readonly transport: Transport
  readonly gate: DialGate
  readonly settings: Settings
  readonly log: EventLog
  readonly redactor: Redactor
  /** Closing it closes the socket. */
  readonly scope: Scope.Scope
  /** The number of this retry in the outage; 0 for the first dial. */
  readonly attempt: number
}

export const withinOpenTimeout = ({ openTimeout }: Pick<Settings, "openTimeout">) =>
  within(openTimeout, () => new ConnectionTimeout({ deadline: "open", after: openTimeout }))

const urlOf = ({ redactor, settings: { openTimeout, url } }: Options) =>
  Effect.isEffect(url)
    ? url.pipe(
      Effect.catchAllCause((cause) => Effect.fail(new UrlUnavailable({ cause: redactor.error(Cause.squash(cause)) }))),
      withinOpenTimeout({ openTimeout })
    )
    : Effect.succeed(url)

// A defect of the transport while it closes must not end the connection.
export const logDefects = (closing: Effect.Effect<void>, redactor: Redactor) =>
  Effect.catchAllCause(closing, (cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("The transport failed to close its socket.", redactor.cause(cause)))

const isDead = (error: unknown) => error instanceof ConnectionTimeout && error.deadline !== "open"

// A dead peer cannot answer a close frame, so its socket is terminated before the scope would start the closing handshake.
const terminateIfDead = ({ terminate }: Socket, { redactor, settings: { dial } }: Options) => (exit: Exit.Exit<unknown, unknown>) => {
  const mustDrop = Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), isDead)
  return mustDrop
    ? Effect.disconnect(terminate).pipe(within(dial.closeTimeout, () => undefined), Effect.ignore, Effect.interruptible, (closing) =>
      logDefects(closing, redactor))
    : Effect.void
}

/** Dials. Closing the scope closes the socket. */
export const dial = (options: Options) => {
  const { attempt, gate, log, redactor, scope, settings, transport } = options
  return Effect.flatMap(urlOf(options), (given) => {
    const url = Redacted.isRedacted(given) ? given : Redacted.make(given)
    const server = Endpoint.fromUrl(url)
    log.dials(server)
    const request = { url, ...settings.dial }
    redactor.sends(request)
    let opened: Socket | undefined
    return transport.dial(request).pipe(
      // A span shows how it ends. So it ends without the socket, and with an error that may be shown.
      Effect.map((socket) => {
        opened = socket
      }),
      Effect.mapErrorCause((cause) => redactor.failures(cause)),
      withinOpenTimeout(settings),
      gate.through(Endpoint.show(server)),
      Effect.withSpan("websocket.connect", {
        kind: "client",
        // The stack trace would show this line only, and cost more than the rest of the span.
        captureStackTrace: false,
        attributes: {
          "websocket.attempt": attempt,
          ...(Endpoint.isKnown(server) ? { "server.address": server.address, "server.port": server.port } : {})
        }
      }),
      Effect.flatMap(() => opened === undefined ? Effect.dieMessage("the gate did not dial") : Effect.succeed(opened)),
      // `Effect.addFinalizer` would keep the fibre references of the dial until the connection ends.
      Effect.tap((socket) => Scope.addFinalizerExit(scope, terminateIfDead(socket, options))),
      Scope.extend(scope)
    )
  })
}
