/** How far something is; a bar that moves to and fro where that is not known. */
export function Bar({ label, fraction }: { label: string; fraction: number | null }) {
  return (
    <div
      class={`progress${fraction === null ? ' unknown' : ''}`}
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-label={label}
      {...(fraction === null ? {} : { 'aria-valuenow': Math.round(fraction * 100) })}
    >
      <div class="done" style={{ width: fraction === null ? '30%' : `${fraction * 100}%` }} />
    </div>
  );
}
