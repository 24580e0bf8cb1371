"use strict";
// How far from the pointer a point may be, in pixels of the screen.
const REACH = 14;
const svg = document.querySelector("svg");
const near = document.getElementById("near");
const ring = document.getElementById("ring");
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const points = Array.from(svg.querySelectorAll(".points > use"), (element) => {
  const words = element.textContent;
  // The browser would show its own tooltip, too.
  element.replaceChildren();
  return { element, words, x: +element.getAttribute("x"), y: +element.getAttribute("y") };
});

function nearest(event) {
  const matrix = svg.getScreenCTM();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
  let best = null;
  let least = (REACH / matrix.a) ** 2;
  for (const point of points) {
    const distance = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
    // Of those that are as near, the one that lies above.
    if (distance <= least) {
      least = distance;
      best = point;
    }
  }
  return best;
}

function show(point, event) {
  near.replaceChildren();
  const picture = point.element.dataset.picture;
  if (picture !== undefined) {
    const image = document.createElement("img");
    image.src = pictures[picture];
    image.alt = "";
    near.append(image);
  }
  for (const line of point.words.split("\n").filter((line) => line !== "")) {
    const text = document.createElement("p");
    text.textContent = line;
    near.append(text);
  }
  near.hidden = near.childNodes.length === 0;
  const room = (at, size, all) => Math.max(4, at + 16 + size > all ? at - 16 - size : at + 16);
  near.style.left = room(event.clientX, Math.max(near.offsetWidth, 140), innerWidth) + "px";
  near.style.top = room(event.clientY, Math.max(near.offsetHeight, picture === undefined ? 0 : 140), innerHeight) + "px";
  ring.setAttribute("cx", point.x);
  ring.setAttribute("cy", point.y);
  ring.style.display = "inline";
}

function hide() {
  near.hidden = true;
  ring.style.display = "none";
}

for (const name of ["pointermove", "pointerdown"]) {
  svg.addEventListener(name, (event) => {
    const point = event.target.closest(".key") ? null : nearest(event);
    if (point) show(point, event);
    else hide();
  });
}
svg.addEventListener("pointerleave", hide);

// Pointing at a class shows its points alone.
for (const key of svg.querySelectorAll(".key")) {
  const own = () => svg.querySelectorAll(`[data-class="${key.dataset.class}"]`);
  key.addEventListener("pointerenter", () => {
    svg.classList.add("one");
    for (const element of own()) element.classList.add("of");
  });
  key.addEventListener("pointerleave", () => {
    svg.classList.remove("one");
    for (const element of own()) element.classList.remove("of");
  });
}
