# The one entry point. `make help` lists what there is.
CONFIGURATION ?= release
MARTLET = .build/$(CONFIGURATION)/martlet
STATE ?= /var/lib/martlet
UP_FLAGS ?=

.PHONY: help setup build up down demo test mariadb tidy format bench docs coverage clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install the Debian packages that the cloud needs
	@scripts/setup.sh run

build: setup ## build the binary
	swift build --configuration $(CONFIGURATION) --product martlet

up: build ## install what is needed, build, start the all-in-one, print how to log in
	$(MARTLET) up --all-in-one --state $(STATE) $(UP_FLAGS)

down: ## stop the cloud and its guests, and remove its networks (state stays)
	$(MARTLET) down --state $(STATE)

demo: build ## walk the launch flow: from a project to a guest that answers SSH
	@scripts/setup.sh image
	$(MARTLET) demo --state $(STATE)

test: ## everything: tidy, unit, transcripts, conformance, end to end
	@scripts/setup.sh test
	@python3 scripts/test.py

mariadb: ## every suite in Swift once more, with MariaDB as its database
	@scripts/setup.sh test
	MARTLET_TEST_DATABASE=mariadb swift test --no-parallel

tidy: ## check the limits and habits of the code
	@python3 scripts/test.py tidy

format: ## format the code
	swift format --in-place --parallel --recursive Sources Tests Package.swift

bench: ## measure, beside OpenStack's own figures (release build)
	@scripts/setup.sh test && scripts/setup.sh bench
	swift build --configuration release --product martlet
	@python3 scripts/bench.py

docs: coverage ## derived documentation
	$(MARTLET) config show --explain > docs/martlet.yaml

coverage: ## compare the route tables with the API inventory (API=folder of its *.tsv)
	swift build --configuration $(CONFIGURATION) --product martlet
	$(MARTLET) routes > .build/routes.tsv
	@python3 scripts/coverage.py .build/routes.tsv $(or $(API),../shared/api) docs/api-coverage.md

clean: ## remove what was built
	rm -rf .build .venv
