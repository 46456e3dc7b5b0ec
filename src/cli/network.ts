// The questions of `holdfast doctor` to the network that Node itself answers: names and certificates.
import * as Effect from "effect/Effect"
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import { connect } from "node:tls"
import { within } from "../internal/time/timeout.ts"
import * as Duration from "effect/Duration"
import { reasonOf } from "../internal/reason.ts"

const deadline = Duration.seconds(10)

/** Whether a host is an address, and needs no look-up. */
export const isAddress = (host: string): boolean => isIP(host.replace(/^\[|\]$/g, "")) !== 0

/** The addresses of a host. Fails with a sentence. */
export const resolveHost = (host: string): Effect.Effect<ReadonlyArray<string>, string> =>
  Effect.tryPromise({
    try: () => lookup(host, { all: true }),
    catch: (error) => `${host} cannot be resolved: ${reasonOf(error)}.`
  }).pipe(
    Effect.map((found) => found.map(({ address }) => address)),
    within(deadline, () => `${host} was not resolved within 10s.`)
  )

/** The certificate that a server shows. */
export interface Certificate {
  readonly protocol: string
  readonly issuer: string
  /** When it ends, as Node writes it. */
  readonly validTo: string
}

/** Opens TLS to a server, and looks at its certificate. Fails with a sentence. */
export const certificateOf = (host: string, port: number): Effect.Effect<Certificate, string> =>
  Effect.async<Certificate, string>((resume) => {
    const socket = connect({ host, port, servername: isAddress(host) ? undefined : host }, () => {
      const { issuer, valid_to: validTo } = socket.getPeerCertificate()
      resume(Effect.succeed({ protocol: socket.getProtocol() ?? "TLS", issuer: [issuer.O].flat()[0] ?? "an unnamed authority", validTo }))
      socket.destroy()
    })
    socket.on("error", (error) => {
      resume(Effect.fail(`TLS with ${host} failed: ${reasonOf(error)}.`))
    })
    return Effect.sync(() => socket.destroy())
  }).pipe(within(deadline, () => `${host} did not answer TLS within 10s.`))
