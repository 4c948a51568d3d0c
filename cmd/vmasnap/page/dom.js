'use strict';

// What the other parts make the page of. Text comes into it by text nodes and attributes alone.

const node = (made, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text nodes
  return made;
};

// el makes an HTML element, svg one of a drawing.
const el = (name, attributes = {}, ...children) => node(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  node(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

const count = (n) => n.toLocaleString('en-US');

const several = (n, what) => `${count(n)} ${n === 1 ? what : what.replace(/s?$/, (s) => (s ? 'ses' : 's'))}`;

// bytes uses binary units: 4.2 KiB.
function bytes(n) {
  if (n < 1024) return `${n} bytes`;
  let unit = -1;
  for (; n >= 1024 && unit < 5; unit++) n /= 1024;
  return `${n.toFixed(1)} ${'KMGTPE'[unit]}iB`;
}

// seconds is a time in ns since the start, with digits enough for a picture of that many ns.
function seconds(ns, span) {
  const digits = span > 5e9 ? 3 : Math.min(9, 13 - Math.ceil(Math.log10(Math.max(span, 10))));
  return `${(ns / 1e9).toFixed(digits)}s`;
}

// fit cuts text where it would be wider than that many px.
function fit(text, width, each = 6.2) {
  const most = Math.max(3, Math.floor(width / each));
  const letters = Array.from(text);
  return letters.length <= most ? text : letters.slice(0, most - 1).join('') + '…';
}

// ending cuts a path that is longer than that at its beginning.
function ending(path, most) {
  const letters = Array.from(path);
  return letters.length <= most ? path : '…' + letters.slice(1 - most).join('');
}

const base = (path) => path.slice(path.lastIndexOf('/') + 1) || path;

// paint gives what is drawn the colour of a file: always the same for a path.
function paint(shape, path) {
  let hash = 2166136261;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 16777619);
  shape.style.setProperty('--hue', (hash >>> 8) % 360);
  return shape;
}

const later = (wait, run) => {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, wait);
  };
};

// Tip is the box that tells about what is pointed at, or has the focus. Shapes have a function
// tell, which returns its text.
const Tip = {
  box: document.getElementById('tip'),

  show(shape, x, y) {
    this.box.textContent = shape.tell();
    this.box.hidden = false;
    const { width, height } = this.box.getBoundingClientRect();
    this.box.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
    this.box.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 8) : y + 18}px`;
  },

  hide() { this.box.hidden = true; },

  watch(drawing) {
    drawing.addEventListener('pointermove', (e) => (e.target.tell ? this.show(e.target, e.clientX, e.clientY) : this.hide()));
    drawing.addEventListener('pointerleave', () => this.hide());
    drawing.addEventListener('focusin', (e) => {
      const at = e.target.getBoundingClientRect();
      if (e.target.tell && e.target.matches(':focus-visible')) this.show(e.target, at.left, at.bottom - 12);
    });
    drawing.addEventListener('focusout', () => this.hide());
  },
};
addEventListener('keydown', (e) => { if (e.key === 'Escape') Tip.hide(); });
addEventListener('scroll', () => Tip.hide(), true);

// roam makes one stop of the tab key of many elements, between which the arrow keys move.
function roam(container, selector) {
  const stops = () => Array.from(container.querySelectorAll(selector));
  container.addEventListener('keydown', (e) => {
    const all = stops();
    const at = all.indexOf(e.target);
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -all.length, End: all.length }[e.key];
    if (at < 0 || step === undefined) return;
    e.preventDefault();
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))];
    e.target.setAttribute('tabindex', '-1');
    next.setAttribute('tabindex', '0');
    next.focus();
  });
}
