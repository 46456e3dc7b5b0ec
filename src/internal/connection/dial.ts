// One dial: gets the URL, waits at the gate, and opens the socket in a scope.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { ConnectionTimeout } from "../../ConnectionError.ts"
import type { DialGate } from "../../DialGate.ts"
import type { Socket, Transport } from "../../Transport.ts"
import { within } from "../time/timeout.ts"
import * as Endpoint from "../transport/endpoint.ts"
import type { Redactor } from "../transport/redactor.ts"
import * as DialRequest from "./dialRequest.ts"
import type { Choice } from "./endpoints.ts"
import type { EventLog } from "./eventLog.ts"
import { farewellFor } from "./farewell.ts"
import { awaitOnline } from "./network.ts"
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
  /** A function: a failed attempt stays in memory with its error, and must not keep the failure before it. */
  readonly choice: () => Choice
}

export const withinOpenTimeout = ({ openTimeout }: Pick<Settings, "openTimeout">) =>
  within(openTimeout, () => new ConnectionTimeout({ deadline: "open", after: openTimeout }))

const requestOf = ({ choice, redactor, settings }: Options) => {
  const request = Effect.mapError(DialRequest.make(settings.request, choice()), (error) => redactor.attempt(error))
  return DialRequest.isAsked(settings.request) ? withinOpenTimeout(settings)(request) : request
}

// A defect of the transport while it closes must not end the connection.
export const logDefects = (closing: Effect.Effect<void>, redactor: Redactor) =>
  Effect.catchAllCause(closing, (cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("The transport failed to close its socket.", redactor.cause(cause)))

// Leaves the socket as the end of its connection asks for, before the transport would close it in its own way.
const leave = ({ close, terminate }: Socket, { redactor, settings: { dial } }: Options) => (exit: Exit.Exit<unknown, unknown>) => {
  const farewell = Exit.isFailure(exit) ? farewellFor(Option.getOrUndefined(Cause.failureOption(exit.cause))) : undefined
  if (farewell === undefined) return Effect.void
  const closing = farewell._tag === "Close"
    ? close(farewell.closeFrame.code, farewell.closeFrame.reason)
    : Effect.disconnect(terminate).pipe(within(dial.closeTimeout, () => undefined), Effect.ignore, Effect.interruptible)
  return logDefects(closing, redactor)
}

/** Dials. Closing the scope closes the socket. */
export const dial = (options: Options) => {
  const { attempt, gate, log, redactor, scope, settings, transport } = options
  // The effect of an option may need the network too.
  const isAsked = DialRequest.isAsked(settings.request)
  const online = awaitOnline(transport.network)
  return Effect.flatMap(isAsked ? Effect.zipRight(online, requestOf(options)) : requestOf(options), (asked) => {
    const server = Endpoint.fromUrl(asked.url)
    log.dials(server)
    const request = { ...asked, ...settings.dial }
    redactor.sends({ ...asked, proxies: transport.proxies })
    let opened: Socket | undefined
    const dialling = transport.dial(request).pipe(
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
          ...(settings.name === undefined ? {} : { "websocket.connection.name": settings.name }),
          ...(Endpoint.isKnown(server) ? { "server.address": server.address, "server.port": server.port } : {})
        }
      }),
      Effect.flatMap(() => opened === undefined ? Effect.dieMessage("the gate did not dial") : Effect.succeed(opened)),
      // `Effect.addFinalizer` would keep the fibre references of the dial until the connection ends.
      Effect.tap((socket) => Scope.addFinalizerExit(scope, leave(socket, options))),
      Scope.extend(scope)
    )
    return isAsked || Endpoint.isLoopback(server) ? dialling : Effect.zipRight(online, dialling)
  })
}
