/** Fits a straight line to points: its slope, and twice the standard error of the slope. */
export const leastSquares = (points: ReadonlyArray<readonly [x: number, y: number]>) => {
  const n = points.length
  if (n < 3) return undefined
  const mean = (of: (point: readonly [number, number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / n
  const x = mean(([x]) => x)
  const y = mean(([, y]) => y)
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  const slope = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
  const residual = points.reduce((sum, point) => sum + (point[1] - y - slope * (point[0] - x)) ** 2, 0)
  return { mean: y, slope, error: 2 * Math.sqrt(residual / (n - 2) / spread) }
}
