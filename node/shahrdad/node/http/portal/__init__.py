"""Pages that answer a question over the data: budget, systems, projects, comparison."""
