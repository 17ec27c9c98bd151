"""What planners ask of simulated centres: alternatives side by side, staff, reports."""
