// Dials where redirects lead.
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { ConnectionClosed, DialFailed, HandshakeRejected } from "../../ConnectionError.ts"
import type { DialError, DialRequest, Socket, SocketError } from "../../Transport.ts"
import { redirectOf } from "./redirect.ts"
import { Redactor } from "./redactor.ts"
import { isName } from "./secrets.ts"

export type Dial = (request: DialRequest) => Effect.Effect<Socket, DialError, Scope.Scope>

/** Dials an origin to which no credentials may go, those of the options too. */
export interface Dials {
  readonly trusted: Dial
  readonly foreign: Dial
}

// A failed dial holds its request until its scope closes.
const inOwnScope = (dial: Dial): Dial => (request) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const inner = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      return yield* Effect.onExit(
        restore(Scope.extend(dial(request), inner)),
        (exit) => Exit.isFailure(exit) ? Scope.close(inner, exit) : Effect.void
      )
    })
  )

const concealed = (redactor: Redactor) => (error: DialError): DialError => {
  switch (error._tag) {
    case "DialFailed":
      return new DialFailed({ code: error.code, reason: redactor.text(error.reason) })
    case "HandshakeRejected": {
      const { body, headers, retryAfter, status } = error
      return new HandshakeRejected({ status, retryAfter, headers: redactor.headers(headers), body: redactor.text(body) })
    }
    case "InvalidUrl":
      return error
  }
}

const concealedEnd = (redactor: Redactor) => <E>(error: E | SocketError): E | SocketError => {
  if (!(error instanceof ConnectionClosed)) return error
  const { code, errno, openFor, reason } = error
  return new ConnectionClosed({ code, errno, openFor, reason: redactor.text(reason) })
}

// A connection hides what it sent itself. What a redirect adds is as secret.
const concealing = (dial: Dial): Dial => (request) => {
  const redactor = new Redactor()
  redactor.sends(request)
  return Effect.mapBoth(dial(request), {
    onFailure: concealed(redactor),
    onSuccess: (socket): Socket => ({
      ...socket,
      headers: redactor.headers(socket.headers ?? {}),
      receive: (handler) => Effect.mapError(socket.receive(handler), concealedEnd(redactor)),
      ping: Effect.mapError(socket.ping, concealedEnd(redactor))
    })
  })
}

const withoutCredentials = (request: DialRequest): DialRequest => ({
  ...request,
  headers: {},
  protocols: request.protocols.filter(isName)
})

const failed = (reason: string) => new DialFailed({ code: "ERR_REDIRECT", reason })

/** Follows up to `most` redirects. Credentials go to the origin of the request only, and to no origin after another one. */
export const following = (most: number, { foreign, trusted }: Dials): Dial => {
  const follow = (dial: Dials, request: DialRequest, count: number): ReturnType<Dial> =>
    Effect.catchTag(inOwnScope(dial.trusted)(request), "HandshakeRejected", (error): ReturnType<Dial> => {
      const redirect = redirectOf(new URL(Redacted.value(request.url)), error.status, error.headers.location)
      if (redirect._tag === "None") return error
      if (redirect._tag === "Refused") return failed(redirect.reason)
      if (count === most) return failed(`the server redirected more than ${most === 1 ? "once" : `${most} times`}`)
      const to = { ...request, url: Redacted.make(redirect.url.href) }
      return redirect.isSameOrigin
        ? follow({ ...dial, trusted: concealing(dial.trusted) }, to, count + 1)
        : follow({ trusted: concealing(foreign), foreign }, withoutCredentials(to), count + 1)
    })
  return (request) => follow({ foreign, trusted }, request, 0)
}
