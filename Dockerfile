# docker build -t brianprop . && docker run --rm -v "$PWD/runs:/work/runs" brianprop train nbp --out runs/digits
FROM python:3.12-slim
# circuits are compiled when they are first simulated
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/*
COPY . /brianprop
RUN pip install --no-cache-dir /brianprop && useradd --create-home brianprop && mkdir /work && chown brianprop /work
USER brianprop
WORKDIR /work
ENTRYPOINT ["brianprop"]
CMD ["info"]
