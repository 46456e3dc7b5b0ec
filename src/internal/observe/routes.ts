// The routes of an observer, as handlers behind a guard.
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Observe } from "../../observe/Observe.ts"
import type { ConnectionUnknown, NotPossible } from "../../observe/ObserveError.ts"
import * as Prometheus from "../../observe/Prometheus.ts"
import type { Assets } from "./assets.ts"
import type { Access, Guard } from "./guard.ts"
import { json, refused, safe, unauthorised } from "./guard.ts"
import * as SignIn from "./signIn.ts"

type Response = HttpServerResponse.HttpServerResponse
type Request = HttpServerRequest.HttpServerRequest

/** Answers a request by the access that it has, unless its Host or Origin is refused. */
export const guarded = <E, R>(guard: Guard, answer: (request: Request, access: Access) => Effect.Effect<Response, E, R>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const refusal = guard.refusal(request)
    return refusal === undefined
      ? Effect.map(Effect.flatMap(guard.access(request), (access) => answer(request, access)), safe)
      : Effect.succeed(safe(refused(refusal)))
  })

/** Answers only requests that may see everything. */
export const full = <E, R>(guard: Guard, answer: (request: Request) => Effect.Effect<Response, E, R>) =>
  guarded(guard, (request, access) => access === "full" ? answer(request) : Effect.succeed(unauthorised))

export const metrics = (sample: Effect.Effect<void>) =>
  Effect.map(sample, () =>
    HttpServerResponse.setHeader(
      HttpServerResponse.text(Prometheus.format(Metric.unsafeSnapshot()), { contentType: Prometheus.contentType }),
      "cache-control",
      "no-store"
    ))

export const health = json({ healthy: true })

/** Without the token, it only tells whether all is well. */
export const ready = ({ readiness }: Pick<Observe, "readiness">, access: Access) =>
  Effect.map(readiness, ({ ready, reasons }) => json(access === "full" ? { ready, reasons } : { ready }, ready ? 200 : 503))

const statusOf = (error: ConnectionUnknown | NotPossible) => error._tag === "ConnectionUnknown" ? 404 : 409

export const act = (action: Effect.Effect<void, ConnectionUnknown | NotPossible>) =>
  Effect.match(action, {
    onFailure: (error) => json({ error: error.message }, statusOf(error)),
    onSuccess: () => json({ done: true })
  })

/** A page, or a file that belongs to it. A browser without a cookie is sent to the form. */
export const asset = ({ at }: Assets, access: Access, path: string) => {
  const found = at(path)
  if (access !== "full") return Effect.succeed(path === "/" ? HttpServerResponse.redirect("/sign-in", { status: 303 }) : unauthorised)
  return found ?? Effect.succeed(json({ error: `There is nothing at ${path}.` }, 404))
}

// A body of this form is tiny.
const formOf = (request: Request) =>
  Effect.orElseSucceed(request.urlParamsBody, (): ReadonlyArray<readonly [string, string]> => [])

export const signIn = ({ token }: Guard) => (request: Request): Effect.Effect<Response> =>
  Effect.gen(function*() {
    if (token === undefined) return HttpServerResponse.redirect("/", { status: 303 })
    const given = (yield* formOf(request)).find(([name]) => name === "token")?.[1] ?? ""
    if (!token.isToken(given)) return SignIn.form(true)
    const isSecure = request.headers["x-forwarded-proto"] === "https" || request.headers.origin?.startsWith("https:") === true
    return SignIn.welcome(token.sign(yield* Clock.currentTimeMillis), isSecure)
  })
