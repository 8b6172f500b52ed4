/** A length for an element's style. */
export const px = (value: number): string => `${Math.round(value * 100) / 100}px`;
