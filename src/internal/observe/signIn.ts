// The form by which a browser gets a cookie for the token.
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { cookieName, sessionLasts } from "./token.ts"

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 100dvh; margin: 0 }
form { display: grid; gap: .75rem; width: min(22rem, 90vw) }
input, button { font: inherit; padding: .5rem .75rem }
p { margin: 0; color: light-dark(#a40000, #ff9c9c) }
`

/** The page with the form. It asks again after a wrong token. */
export const form = (wasWrong: boolean) =>
  HttpServerResponse.setHeaders(
    HttpServerResponse.html(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in to Holdfast</title><style>${style}</style></head>
<body>
<form method="post" action="/sign-in">
<h1>Holdfast</h1>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
${wasWrong ? "<p role=\"alert\">This is not the token.</p>\n" : ""}<button>Sign in</button>
</form>
</body>
</html>
`).pipe(HttpServerResponse.setStatus(wasWrong ? 401 : 200)),
    {
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    }
  )

const cookieOptions = { httpOnly: true, sameSite: "strict", path: "/" } as const

/** Sends a browser to the page with its cookie. */
export const welcome = (value: string, isSecure: boolean) =>
  HttpServerResponse.unsafeSetCookie(
    HttpServerResponse.setHeader(HttpServerResponse.redirect("/", { status: 303 }), "cache-control", "no-store"),
    cookieName,
    value,
    { ...cookieOptions, secure: isSecure, maxAge: sessionLasts }
  )

/** Takes the cookie away. */
export const goodbye = HttpServerResponse.unsafeSetCookie(
  HttpServerResponse.redirect("/sign-in", { status: 303 }),
  cookieName,
  "",
  { ...cookieOptions, maxAge: 0 }
)
