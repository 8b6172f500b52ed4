/** Runs the last of many requests, once, on the next frame. */
export class OnFrame {
  private requested = 0;
  private wanted: (() => void) | null = null;

  ask(draw: () => void): void {
    this.wanted = draw;
    this.requested ||= requestAnimationFrame(() => {
      this.requested = 0;
      this.wanted?.();
    });
  }

  stop(): void {
    cancelAnimationFrame(this.requested);
    this.requested = 0;
    this.wanted = null;
  }
}
