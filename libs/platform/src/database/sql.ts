/** Placeholders for these values in a statement: `?, ?, ?`. */
export const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');
