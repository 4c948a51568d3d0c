// Table shows rows that can be sorted, so many at a time that a browser does not mind.
class Table {
  // A column has a name, the text and the value (to sort by; else the text) of a row. It may be a
  // number, mono, or a path, of which the end matters most: so many letters of it are shown.
  // choose, if there is one, is called with a row.
  constructor(place, label, columns, { unit, sort = 0, descending = false, choose = null, none = 'nothing matches' }) {
    Object.assign(this, { columns, unit, sort, descending, choose, none, rows: [], page: 0, chosen: null });
    this.heads = columns.map((column, i) => {
      const button = el('button', { type: 'button' }, column.name);
      button.addEventListener('click', () => this.sortBy(i));
      return el('th', column.number ? { scope: 'col', class: 'number' } : { scope: 'col' }, button);
    });
    this.body = el('tbody');
    const table = el('table', { 'aria-label': label }, el('thead', {}, el('tr', {}, ...this.heads)), this.body);
    this.note = el('span', { role: 'status' });
    this.back = el('button', { type: 'button' }, 'previous');
    this.next = el('button', { type: 'button' }, 'next');
    this.back.addEventListener('click', () => this.turn(-1));
    this.next.addEventListener('click', () => this.turn(1));
    this.scroll = el('div', { class: 'scroll' }, table);
    place.replaceChildren(this.scroll, el('div', { class: 'pages' }, this.note, this.back, this.next));
    if (!choose) return;
    const pick = (e) => {
      const line = e.target.closest('tr');
      if (line && line.parentNode === this.body && line.row) this.pick(line.row);
    };
    this.body.addEventListener('click', pick);
    this.body.addEventListener('keydown', (e) => {
      if (e.key !== 'Enter' && e.key !== ' ') return;
      e.preventDefault();
      pick(e);
    });
    roam(this.body, 'tr[tabindex]');
  }

  set(rows, all) {
    Object.assign(this, { rows, all, page: 0 });
    this.order();
  }

  sortBy(i) {
    // Who asks for numbers asks for the large ones.
    this.descending = i === this.sort ? !this.descending : Boolean(this.columns[i].number) && i > 0;
    this.sort = i;
    this.page = 0;
    this.order();
  }

  turn(by) {
    this.page += by;
    this.scroll.scrollTop = 0;
    this.draw();
  }

  pick(row) {
    this.chosen = row;
    for (const line of this.body.children) this.mark(line);
    this.choose(row);
  }

  order() {
    const column = this.columns[this.sort];
    const value = column.value || column.text;
    const sign = this.descending ? -1 : 1;
    const keyed = this.rows.map((row) => [value(row), row]);
    keyed.sort((a, b) => (a[0] < b[0] ? -sign : a[0] > b[0] ? sign : 0));
    this.rows = keyed.map(([, row]) => row);
    this.heads.forEach((head, i) => {
      if (i === this.sort) head.setAttribute('aria-sort', this.descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    this.draw();
  }

  draw() {
    const first = this.page * Table.size;
    const shown = this.rows.slice(first, first + Table.size);
    this.body.replaceChildren(...shown.map((row, i) => this.line(row, i)));
    const many = this.rows.length > Table.size;
    const part = many ? `${count(first + 1)} to ${count(first + shown.length)} of ` : '';
    const rest = this.all > this.rows.length ? `, ${count(this.all)} in all` : '';
    this.note.textContent = this.rows.length === 0 ? this.none : part + several(this.rows.length, this.unit) + rest;
    this.back.hidden = this.next.hidden = !many;
    this.back.disabled = this.page === 0;
    this.next.disabled = first + Table.size >= this.rows.length;
  }

  line(row, i) {
    const line = el('tr', this.choose ? { tabindex: i === 0 ? 0 : -1 } : {});
    line.row = row;
    for (const column of this.columns) {
      const text = column.text(row);
      const kind = column.number ? 'number' : column.mono ? 'mono' : '';
      line.append(el('td', text.length > 30 ? { class: kind, title: text } : { class: kind }, column.path ? ending(text, column.path) : text));
    }
    this.mark(line);
    return line;
  }

  mark(line) {
    if (this.chosen && line.row === this.chosen) line.setAttribute('aria-current', 'true');
    else line.removeAttribute('aria-current');
  }
}
Table.size = 200;
