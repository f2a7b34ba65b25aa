"use strict";
(() => {
  const viewer = document.querySelector(".viewer");
  if (!viewer) return;
  const frames = [...document.querySelectorAll(".frame")];
  const stage = viewer.querySelector(".stage");
  const slider = stage.querySelector("input");
  const legends = JSON.parse(document.getElementById("legends").textContent);
  let current = frames[0];

  const chosen = (side) => viewer.querySelector(`input[name="${side}"]:checked`).value;
  const title = (side) => viewer.querySelector(`input[name="${side}"]:checked + span`).textContent;

  function legend(side) {
    const box = viewer.querySelector(`.legend.${side}`);
    const scale = legends[chosen(side)];
    box.hidden = !scale;
    if (!scale) return;
    box.querySelector("img").src = scale.strip;
    [scale.low, scale.unit, scale.high].forEach((text, place) => { box.querySelectorAll("span")[place].textContent = text; });
  }

  function show() {
    for (const side of ["left", "right"]) {
      const source = current.querySelector(`img[data-layer="${chosen(side)}"]`);
      const picture = stage.querySelector(`.${side}`);
      picture.src = source.src;
      picture.alt = `${title(side)} of ${current.dataset.name}`;
      legend(side);
    }
    const image = current.querySelector("img");
    stage.style.aspectRatio = `${image.getAttribute("width")} / ${image.getAttribute("height")}`;
    viewer.querySelector(".name").textContent = current.dataset.name;
    viewer.querySelector(".figures").textContent = current.querySelector(".caption span:last-child").textContent;
    frames.forEach((frame) => frame.setAttribute("aria-current", frame.dataset.index === current.dataset.index));
    move();
  }

  function move() {
    stage.style.setProperty("--split", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${title("left")}, the rest ${title("right")}`);
  }

  function step(by) {
    current = frames[(frames.indexOf(current) + by + frames.length) % frames.length];
    show();
  }

  slider.addEventListener("input", move);
  viewer.querySelectorAll("fieldset input").forEach((input) => input.addEventListener("change", show));
  viewer.querySelector(".previous").addEventListener("click", () => step(-1));
  viewer.querySelector(".next").addEventListener("click", () => step(1));
  frames.forEach((frame) => frame.addEventListener("click", () => {
    current = frame;
    show();
    viewer.scrollIntoView({ block: "nearest" });
  }));
  viewer.hidden = false;
  show();
})();
