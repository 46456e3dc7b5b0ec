/**
 * What tests of programs on Holdfast need.
 *
 * @since 0.1.0
 */
export * as TestTransport from "./TestTransport.ts"
