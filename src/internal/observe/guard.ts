// Decides whether a request is answered: by its Host and its Origin, and by its token where there is one.
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { RouteOptions } from "../../observe/Observe.ts"
import { isHostAllowed, isIn, isSameOrigin } from "../access.ts"
import * as Token from "./token.ts"

/** The part that a client may see. `full` after its token was checked, or where there is none. */
export type Access = "full" | "anonymous"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers" | "cookies">

export interface Guard {
  readonly token: Token.Token | undefined
  /** Why a request is refused whatever its token is: a sentence. */
  readonly refusal: (request: Request) => string | undefined
  readonly access: (request: Request) => Effect.Effect<Access>
}

export const make = ({ hosts, origins, token: secret }: RouteOptions): Guard => {
  const token = secret === undefined ? undefined : Token.make(secret)
  return {
    token,
    refusal: ({ headers: { host, origin } }) => {
      if (!isHostAllowed(host, hosts)) return "The Host is not allowed: see the option hosts of the observer's routes."
      // A page of another port of this machine is foreign too.
      if (origin !== undefined && !isSameOrigin(origin, host) && !isIn(origins, origin)) {
        return "The Origin is not allowed: see the option origins of the observer's routes."
      }
      return undefined
    },
    access: ({ cookies, headers: { authorization } }) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        token === undefined || token.isBearer(authorization) || token.isSigned(cookies[Token.cookieName], now) ? "full" : "anonymous")
  }
}

/** Headers of every response: what a browser must not do with it. */
export const safe = (response: HttpServerResponse.HttpServerResponse) =>
  HttpServerResponse.setHeaders(response, {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin"
  })

export const json = (body: object, status = 200) =>
  HttpServerResponse.setHeader(HttpServerResponse.unsafeJson(body, { status }), "cache-control", "no-store")

export const refused = (error: string) => json({ error }, 403)

export const unauthorised = HttpServerResponse.setHeader(
  json({ error: "This needs the token: in the header Authorization, as Bearer, or by the form at /sign-in." }, 401),
  "www-authenticate",
  "Bearer realm=\"holdfast\""
)
