/**
 * Formats prices and quantities, held as whole numbers of their smallest unit, as the decimal text that Binance sends.
 *
 * @since 0.1.0
 */

// Binance sends every price and quantity with eight decimal places.
const fractionDigits = 8

/**
 * Formats a whole number of units of `10^-decimals` as decimal text with eight places: `format(5_000_123, 2)` is
 * `"50001.23000000"`. Digits beyond the eighth place are cut off.
 *
 * @since 0.1.0
 * @category formatting
 * @example
 * ```ts
 * import { Decimal } from "holdfast/binance/exchange"
 *
 * console.log(Decimal.format(5_000_123, 2)) // 50001.23000000
 * ```
 */
export const format = (units: number | bigint, decimals: number): string => {
  const negative = units < 0
  const digits = String(negative ? -units : units).padStart(decimals + 1, "0")
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).padEnd(fractionDigits, "0").slice(0, fractionDigits)
  return `${negative ? "-" : ""}${whole}.${fraction}`
}
