import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as CommandLine from "../../src/cli/commandLine.ts"
import { faultNames } from "../../src/cli/faults.ts"
import { lookOf } from "../../src/cli/terminal.ts"

describe("the command line", () => {
  const isRead = (line: string, expected: CommandLine.CommandLine) => {
    it(`is read: ${line}`, () => {
      assert.deepStrictEqual(Either.getOrThrow(CommandLine.read(line.split(" "))), expected)
    })
  }
  const runs = (...args: ReadonlyArray<string>): CommandLine.CommandLine => ({ _tag: "Run", args, logLevel: undefined })

  isRead("--json -s btcusdt@trade --stream=!miniTicker@arr", runs("--json", "--stream", "btcusdt@trade", "--stream", "!miniTicker@arr"))
  isRead("watch btcusdt@trade --for 20s", runs("watch", "--for=20s", "btcusdt@trade"))
  isRead("book btcusdt --LEVELS 3", runs("book", "--levels=3", "btcusdt"))
  isRead("watch -s btcusdt@trade ethusdt@trade --stream=solusdt@trade", runs("watch", "btcusdt@trade", "ethusdt@trade", "solusdt@trade"))
  isRead("record -s btcusdt@trade -o trades.ndjson", runs("record", "--out=trades.ndjson", "btcusdt@trade"))
  for (const stream of ["btcusdt@kline_1d@+08:00", "btcusdt@depth20@100ms", "BTCUSDT@aggTrade", "!ticker_1h@arr"]) {
    isRead(`watch ${stream}`, runs("watch", stream))
  }
  // Another venue may have other kinds.
  isRead("watch btcusdt@tarde --unchecked", runs("watch", "--unchecked", "btcusdt@tarde"))
  isRead("-s btcusdt@tarde --unchecked", runs("--unchecked", "--stream", "btcusdt@tarde"))
  for (const venue of ["demo", "spot", "TESTNET", "us", "futures", "coin-m", "live", "wss://host:1", "http://host"]) {
    isRead(`watch --venue ${venue} -q`, runs("watch", `--venue=${venue}`, "--quiet"))
  }
  // Options that are repeated, each as two words.
  isRead(
    "connect wss://host/feed -H a:1 --header b:2 --subscribe one --subscribe=two --protocol p",
    runs("connect", "--header", "a:1", "--header", "b:2", "--subscribe", "one", "--subscribe", "two", "--protocol", "p", "wss://host/feed")
  )
  isRead("exchange reset close=1012 --every 5s", runs("exchange", "--every=5s", "reset", "close=1012"))
  isRead("config --json", runs("config", "--json"))
  isRead("symbols eth*usdt", runs("symbols", "eth*usdt"))
  isRead("record btcusdt@trade -o trades.ndjson", runs("record", "--out=trades.ndjson", "btcusdt@trade"))
  isRead("record btcusdt@trade -o -", runs("record", "--out=-", "btcusdt@trade"))
  isRead("verify a.ndjson b.ndjson.gz --json", runs("verify", "--json", "a.ndjson", "b.ndjson.gz"))
  isRead("replay a.ndjson --speed max --port 9443", runs("replay", "--speed=max", "--port=9443", "a.ndjson"))
  isRead("--log-level warning --json", { _tag: "Run", args: ["--json"], logLevel: LogLevel.Warning })
  isRead("watch --log-level off", { _tag: "Run", args: ["watch"], logLevel: LogLevel.None })
  isRead("help", { _tag: "Help", command: undefined })
  isRead("help record", { _tag: "Help", command: "record" })
  isRead("record --help", { _tag: "Help", command: "record" })
  isRead("watch --nonsense -h", { _tag: "Help", command: "watch" })
  isRead("watch -v", { _tag: "Version" })
  isRead("-- watch btcusdt@trade", runs("watch", "btcusdt@trade"))
  // The wizard asks for what is missing.
  isRead("book --wizard", runs("book", "--wizard"))
  isRead("record --completions zsh", runs("record", "--completions=zsh"))
  isRead("--completions fish watch", runs("watch", "--completions=fish"))

  const commandsAre = "The commands are watch, book, record, serve, verify, replay, connect, exchange, doctor, config and symbols;"
  const isRefused = (line: ReadonlyArray<string>, expected: string) => {
    it(`is refused: ${line.join(" ")}`, () => {
      assert.deepStrictEqual(CommandLine.read(line), Either.left(expected))
    })
  }

  isRefused(["bogus"], `There is no command "bogus". ${commandsAre} holdfast --help explains them.`)
  isRefused(
    ["help", "bogus"],
    `There is no command "bogus". ${commandsAre} holdfast --help explains them.`
  )
  isRefused(["btcusdt@trade"], `There is no command "btcusdt@trade". Write holdfast watch btcusdt@trade.`)
  isRefused(["wtach"], `There is no command "wtach". Did you mean watch? ${commandsAre} holdfast --help explains them.`)
  isRefused(["wss://host/feed"], `There is no command "wss://host/…". Write holdfast connect and the URL.`)
  isRefused(["watch", "--venue", "sport"], `--venue must be one of demo, spot, testnet, us, futures, coin-m, or a URL such as ws://127.0.0.1:9443, but is "sport". Did you mean spot?`)
  isRefused(["watch", "--venue", "spot", "--ws", "ws://host"], "--venue and --ws both say where the market is. Give one of them.")
  isRefused(["watch", "--venu", "spot"], "holdfast watch has no option --venu. Did you mean --venue? holdfast watch --help lists its options.")
  isRefused(["watch", "-json"], "holdfast watch has no option -json. Did you mean --json? holdfast watch --help lists its options.")
  isRefused(["--log-level", "wran"], `--log-level must be one of all, trace, debug, info, warn, error, fatal, off, but is "wran". Did you mean warn?`)
  isRefused(["config", "x"], "holdfast config takes no argument, but got x.")
  isRefused(["exchange", "rest"], `"rest" is not a fault. A fault is one of ${faultNames.join(", ")}. Did you mean reset?`)
  isRefused(["exchange", "close=99"], `"close=99" is not a fault. A fault is one of ${faultNames.join(", ")}. Did you mean close?`)
  isRefused(
    ["connect", "example.com/feed"],
    `"example.com/…" is not a URL. A URL is ws:// or wss:// and a host, such as wss://example.com/feed. Did you mean wss://example.com/feed?`
  )
  // Headers may be secret.
  isRefused(["connect", "ws://host", "-H", "secret"], `--header must be a name and a value, such as "x-token: abc", but is "…".`)
  isRefused(["-x"], "holdfast has no option -x. holdfast --help lists its options.")
  isRefused(["book", "--levles", "5", "btcusdt"], "holdfast book has no option --levles. Did you mean --levels? holdfast book --help lists its options.")
  isRefused(["verify"], "holdfast verify needs a file: holdfast verify trades.ndjson.")
  isRefused(["replay", "a.ndjson", "--speed", "0"], `--speed must be a number greater than zero, such as 10, or max, but is "0".`)
  isRefused(["replay", "a.ndjson", "--port", "70000"], `--port must be a whole number from 0 to 65535, but is "70000".`)
  isRefused(
    ["record", "btcusdt@trade", "--out", "-", "--gzip"],
    "--gzip compresses the files of a recording, and --out - is standard output."
  )
  isRefused(["watch", "--for"], "--for needs a value: --for 20s.")
  isRefused(["--for", "--json"], "--for needs a value: --for 20s.")
  isRefused(["--ws", ""], "--ws needs a value: --ws ws://127.0.0.1:9443.")
  isRefused(["--for", "-5s"], `--for must be a duration, such as 20s, 5m or 1h, but is "-5s".`)
  isRefused(["watch", "--for", "1s", "--for", "2s"], "--for was given twice. Give it once.")
  isRefused(["--log-level"], "--log-level needs a value: --log-level info.")
  isRefused(
    ["--log-level", "loud"],
    `--log-level must be one of all, trace, debug, info, warn, error, fatal, off, but is "loud".`
  )
  isRefused(["--completions", "cmd"], `--completions must be one of sh, bash, fish, zsh, but is "cmd".`)
  isRefused(["watch", "nonsense"], `"nonsense" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["watch", "btcusdt@trade", "record"], `"record" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["watch", ""], `"" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["watch", "--", "-x"], `"-x" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["watch", "--", "-x@trade"], `"-x@trade" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["--", "bogus"], `There is no command "bogus". ${commandsAre} holdfast --help explains them.`)
  isRefused(["--", "watch", "--json"], `"--json" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["--json=maybe"], "--json takes no value.")
  isRefused(["--wizard=maybe"], "--wizard takes no value.")
  isRefused(["--help="], "--help takes no value.")
  isRefused(["-=x"], "holdfast has no option -. holdfast --help lists its options.")
  isRefused(["--completions", "BASH"], `--completions must be one of sh, bash, fish, zsh, but is "BASH".`)
  isRefused(["book"], "holdfast book needs a symbol: holdfast book btcusdt.")
  isRefused(["book", "btcusdt", "ethusdt"], "holdfast book takes one symbol, but got 2: btcusdt and ethusdt.")
  isRefused(["book", "btcusdt@trade"], `"btcusdt@trade" is not a symbol. A symbol is letters and digits, such as btcusdt.`)
  isRefused(["book", "btcusdt", "--levels", "6000"], `--levels must be a whole number from 1 to 5000, but is "6000".`)
  isRefused(["book", "btcusdt", "--levels", "-3"], `--levels must be a whole number from 1 to 5000, but is "-3".`)
  isRefused(["record", "btcusdt@trade"], "holdfast record needs a file to write to: --out trades.ndjson.")
  isRefused(["record", "-o", "trades.ndjson"], "holdfast record needs a stream: holdfast record btcusdt@trade.")
  isRefused(
    ["record", "-o", "trades.ndjson", "--rotate-size", "0", "btcusdt@trade"],
    `--rotate-size must be a whole number of MiB, 1 or more, but is "0".`
  )
  isRefused(
    ["record", "-o", "trades.ndjson", "--rotate-every", "0s", "btcusdt@trade"],
    `--rotate-every must be a duration longer than zero, such as 30m or 1h, but is "0s".`
  )
  // Control characters could change the colours of a terminal, or make two lines of one sentence.
  isRefused(["watch", "\u001b[31mbtcusdt@trade"], `The argument " [31mbtcusdt@trade" has a control character. Give it without.`)
  isRefused(["--ws=ws://host/?key\nsecret"], `The argument "--ws=ws://host/…" has a control character. Give it without.`)
  // Of a URL, sentences show the scheme, the host and the port only.
  isRefused(["--ws", "ws://me:secret@host", "watch"], "Options of a command come after it: holdfast watch --ws <url>.")
  isRefused(
    ["ws://me:secret@host/?key=secret"],
    `There is no command "ws://…@host/…". Write holdfast connect and the URL.`
  )
  isRefused(["watch", "ws://me:secret@host"], `"ws://…@host" is not a stream. A stream is a symbol and a kind, such as btcusdt@trade.`)
  isRefused(["book", "btcusdt", "ws://me:secret@host"], "holdfast book takes one symbol, but got 2: btcusdt and ws://…@host.")
  isRefused(["-s", "ws://me:secret@host"], `--stream must be a symbol and a kind, such as btcusdt@trade, but is "ws://…@host".`)
})

describe("what standard output can show", () => {
  const cases = [
    [{}, true, { canRedraw: true, hasColours: true }],
    [{}, false, { canRedraw: false, hasColours: false }],
    [{ NO_COLOR: "1" }, true, { canRedraw: false, hasColours: false }],
    [{ NO_COLOR: "" }, true, { canRedraw: true, hasColours: true }],
    [{ TERM: "dumb" }, true, { canRedraw: false, hasColours: false }],
    [{ FORCE_COLOR: "1" }, false, { canRedraw: false, hasColours: true }],
    [{ FORCE_COLOR: "0" }, true, { canRedraw: true, hasColours: false }],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, { canRedraw: false, hasColours: true }]
  ] as const
  for (const [env, isTerminal, expected] of cases) {
    it(`${JSON.stringify(env)} on ${isTerminal ? "a terminal" : "a pipe"}`, () => {
      assert.deepStrictEqual(lookOf(env, isTerminal), expected)
    })
  }
})
