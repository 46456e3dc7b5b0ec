// Checks the token of a request: as a bearer header, or in the cookie that the sign-in form sets. Comparisons take the same time
// wherever two texts differ.
import * as Redacted from "effect/Redacted"
import { createHmac, timingSafeEqual } from "node:crypto"

/** The name of the cookie. */
export const cookieName = "holdfast_session"
/** How long a browser stays signed in, in milliseconds. */
export const sessionLasts = 12 * 60 * 60 * 1_000

export interface Token {
  readonly isToken: (given: string) => boolean
  /** Whether an `Authorization` header has it. */
  readonly isBearer: (header: string | undefined) => boolean
  /** The value of a cookie that is good from `now` on. It does not show the token. */
  readonly sign: (now: number) => string
  readonly isSigned: (cookie: string | undefined, now: number) => boolean
}

export const make = (token: Redacted.Redacted): Token => {
  const keyed = (text: string) => createHmac("sha256", Redacted.value(token)).update(text).digest()
  const equal = (a: string, b: string) => timingSafeEqual(keyed(a), keyed(b))
  const signature = (expires: string) => keyed(`session until ${expires}`).toString("hex")
  const isToken = (given: string) => equal(given, Redacted.value(token))
  return {
    isToken,
    isBearer: (header) => {
      const given = /^Bearer +(\S.*)$/i.exec(header ?? "")?.[1]
      return given !== undefined && isToken(given.trim())
    },
    sign: (now) => {
      const expires = String(now + sessionLasts)
      return `${expires}.${signature(expires)}`
    },
    isSigned: (cookie, now) => {
      const [expires = "", given = ""] = (cookie ?? "").split(".")
      return /^\d{1,16}$/.test(expires) && equal(given, signature(expires)) && Number(expires) > now && Number(expires) <= now + sessionLasts
    }
  }
}
