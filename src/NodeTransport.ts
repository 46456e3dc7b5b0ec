/**
 * The transport for Node, on `ws`. Unlike the WHATWG `WebSocket`, it has ping frames, the status of a refused upgrade, TCP
 * backpressure and an immediate terminate, on every Node version.
 *
 * It verifies TLS certificates. Node's `NODE_EXTRA_CA_CERTS` adds private certificate authorities for the whole process.
 * {@link layerWith} has options: proxies, certificates, compression, redirects and more.
 *
 * Besides `ws://` and `wss://`, it dials Unix sockets: `ws+unix:/path/of/the.sock:/path/of/the/request`.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Agent } from "node:http"
import * as OptionalPeer from "./internal/optionalPeer.ts"
import { following } from "./internal/transport/followRedirects.ts"
import * as NodeOptions from "./internal/transport/nodeOptions.ts"
import * as NodeSettings from "./internal/transport/nodeSettings.ts"
import type { Way } from "./internal/transport/wsDial.ts"
import { dialWith } from "./internal/transport/wsDial.ts"
import type { Capabilities } from "./Transport.ts"
import { Transport } from "./Transport.ts"

/**
 * The options of {@link layerWith}. All are optional.
 *
 * Give one connection options of its own by giving it a layer of its own.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * class Prices extends Connection.Tag<Prices>()("Prices") {}
 * class Orders extends Connection.Tag<Orders>()("Orders") {}
 *
 * const PricesLive = Prices.layer({ url: "wss://example.com/prices" }).pipe(Layer.provide(NodeTransport.layer))
 *
 * const OrdersLive = Orders.layer({ url: "wss://intranet.example.com/orders" }).pipe(
 *   Layer.provide(NodeTransport.layerWith({ caFile: "intranet.pem" }))
 * )
 * ```
 */
export interface Options {
  /** An agent of Node's `http`, or `https` for `wss://`, which opens the TCP connections. Not together with `proxy`. */
  readonly agent?: Agent | undefined
  /**
   * The URL of a proxy: `http://` or `https://` for one that knows CONNECT, which needs the package `https-proxy-agent`;
   * `socks5h://`, `socks5://`, `socks4a://` or `socks4://` for a SOCKS proxy, which needs `socks-proxy-agent`. With
   * `socks5` and `socks4`, this process resolves the name of the server; else the proxy does. A user and a password in the URL
   * are sent to the proxy, and never shown.
   *
   * `"environment"`: the variables `HTTP_PROXY` for `ws://`, `HTTPS_PROXY` for `wss://`, `ALL_PROXY` for both, and
   * `NO_PROXY` for hosts that are dialled directly, in upper or lower case. They are read through Effect's `Config` when the
   * layer is made. Unix sockets are always dialled directly. Default: no proxy.
   */
  readonly proxy?: "environment" | Redacted.Redacted | (string & {}) | undefined
  /** Certificates of the authorities to trust, in PEM format, instead of the well-known ones. Default: the well-known ones. */
  readonly ca?: string | Uint8Array | ReadonlyArray<string | Uint8Array> | undefined
  /** The path of a file with such certificates, in addition to `ca`. It is read when the layer is made. */
  readonly caFile?: string | undefined
  /** The certificate of the client, with the chain of its authorities, in PEM format. It needs `key`. */
  readonly cert?: string | Uint8Array | undefined
  /** The private key of `cert`, in PEM format. */
  readonly key?: Redacted.Redacted | undefined
  /** Decrypts `key`. */
  readonly passphrase?: Redacted.Redacted | undefined
  /** The name that the server's certificate must have, which is also sent to the server (SNI). Default: the host of the URL. */
  readonly servername?: string | undefined
  /** `false`: certificates are not verified, which is logged as a warning when the layer is made. Default: `true`. */
  readonly rejectUnauthorized?: boolean | undefined
  /** The address of this machine to dial from. */
  readonly localAddress?: string | undefined
  /** 4 or 6: dial addresses of IPv4 or IPv6 only. Default: both. */
  readonly family?: 4 | 6 | undefined
  /**
   * Whether to offer compression (RFC 7692). It costs memory per socket, and time per message. `maxMessageBytes` bounds what
   * a message inflates to. Default: `false`.
   */
  readonly perMessageDeflate?: boolean | undefined
  /**
   * How many redirects in a row are followed, from 0 to 20. None leads from `wss://` to `ws://`. Headers, a user in the URL,
   * tokens among the subprotocols and the client's certificate go to the origin of the URL only, and not to an origin after
   * another one. A redirect that is not followed fails the dial with `ERR_REDIRECT`. Default: 0, and a redirect fails the
   * dial with `HandshakeRejected`.
   */
  readonly maxRedirects?: number | undefined
}

/**
 * A package that an option needs is not installed. The message names it, with its version.
 *
 * @since 0.1.0
 * @category errors
 */
export type PeerMissing = OptionalPeer.PeerMissing

/**
 * The class of the error {@link PeerMissing}.
 *
 * @since 0.1.0
 * @category errors
 */
export const PeerMissing: typeof OptionalPeer.PeerMissing = OptionalPeer.PeerMissing

const capabilities: Capabilities = { ping: true, pause: true, terminate: true, handshake: true, headers: true }

const plain: Way = { options: {} }

/**
 * The transport for Node, on `ws`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const ConnectionLive = Connection.layer({ url: "wss://example.com/feed" }).pipe(
 *   Layer.provide(NodeTransport.layer)
 * )
 * ```
 */
export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, { capabilities, dial: dialWith(() => plain) })

const make = (options: Options): Effect.Effect<Transport, ConfigError.ConfigError | PeerMissing> =>
  Effect.map(NodeOptions.resolve(options), ({ foreign, maxRedirects, own, proxies }): Transport => {
    const trusted = dialWith(own)
    return {
      capabilities,
      proxies,
      dial: maxRedirects === 0 ? trusted : following(maxRedirects, { trusted, foreign: dialWith(foreign) })
    }
  })

/**
 * The transport for Node, with options. The layer fails with a `ConfigError` if an option is not allowed or a certificate
 * cannot be used, and with {@link PeerMissing} if a package is missing that a proxy needs.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * declare const certificate: string
 * declare const key: Redacted.Redacted
 *
 * const ConnectionLive = Connection.layer({ url: "wss://example.com/feed" }).pipe(
 *   Layer.provide(NodeTransport.layerWith({
 *     proxy: Redacted.make("http://user:password@proxy.example.com:3128"),
 *     cert: certificate,
 *     key
 *   }))
 * )
 * ```
 */
export const layerWith = (options: Options): Layer.Layer<Transport, ConfigError.ConfigError | PeerMissing> =>
  Layer.effect(Transport, make(options))

/**
 * The transport for Node, with options that are read through `Config`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * // WEBSOCKET_PROXY and WEBSOCKET_CA_FILE.
 * const TransportLive = NodeTransport.layerConfig(NodeTransport.config)
 * ```
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<Transport, ConfigError.ConfigError | PeerMissing> =>
  Layer.effect(Transport, Effect.flatMap(Config.unwrap(config), make))

/**
 * Reads two options: `proxy` from `WEBSOCKET_PROXY`, a URL or `environment`, and `caFile` from `WEBSOCKET_CA_FILE`, a path.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Options> = NodeSettings.config

/**
 * The keys that {@link config} reads.
 *
 * @since 0.1.0
 * @category config
 */
export const keys: ReadonlyArray<string> = NodeSettings.settingKeys
