/**
 * A scripted transport for tests of programs that use Holdfast.
 *
 * @since 0.1.0
 */
export * as TestTransport from "./TestTransport.ts"
